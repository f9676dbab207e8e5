import type { EpochMs } from "@guardian-sync/protocol";
import { describe, expect, test } from "vitest";
import { createJsonLogger } from "./json-logger.ts";
import { LOG_LEVELS, type LogEvent, type LogRecord, SILENT_LOGGER } from "./logger.ts";
import { SecureLogger } from "./secure-logger.ts";

const NOW = Date.UTC(2025, 10, 22, 9, 15, 30) as EpochMs;
const now = (): EpochMs => NOW;
const EVENT: LogEvent = { event_type: "operation_retried", msg: "try again later" };

describe("JSON lines", () => {
  test("T4 one line for each event, with exactly the known fields", () => {
    const lines: string[] = [];
    const logger = createJsonLogger({ sink: (line) => lines.push(line), now, level: "debug" });
    const full: LogEvent = {
      ...EVENT,
      trace_id: "5d0a2c7b-4e19-4f6d-8a3c-71b9e2d40c58",
      operation_id: "019a7c3e-8f00-7a10-8c2d-3f5b9e6d1a01",
      operation_type: "UPDATE",
      entity_type: "device",
      attempt: 2,
      duration_ms: 12.5,
      code: "RATE_LIMITED",
      class: "RateLimitException",
      delay_ms: 4000,
    };
    for (const level of LOG_LEVELS) logger[level]({ ...full, payload: { name: "x" }, token: "t" } as LogEvent);
    expect(lines.map((line) => JSON.parse(line))).toEqual(
      LOG_LEVELS.map((level) => ({ timestamp: "2025-11-22T09:15:30.000Z", level, ...full })),
    );
    expect(lines.every((line) => !line.includes("\n"))).toBe(true);
  });

  test("absent and unfit fields are left out", () => {
    const lines: string[] = [];
    createJsonLogger({ sink: (line) => lines.push(line), now }).info({
      ...EVENT,
      attempt: Number.NaN,
      code: undefined,
      msg: 5 as unknown as string,
    });
    expect(JSON.parse(lines[0]!)).toEqual({
      timestamp: "2025-11-22T09:15:30.000Z",
      level: "info",
      event_type: "operation_retried",
      msg: "",
    });
  });
});

describe("nothing reaches a sink unredacted", () => {
  test("T4 in any field, at any level, neither sink nor ring", () => {
    const records: LogRecord[] = [];
    const logger = new SecureLogger({ sink: (record) => records.push(record), now, level: "debug" });
    const dirty = "canary@mail.example.com 555-867-5309 Bearer abc123xyz987 password=hunter2";
    const event = Object.fromEntries(
      ["event_type", "msg", "trace_id", "operation_id", "operation_type", "entity_type", "code", "class"].map((field) => [field, dirty]),
    );
    for (const level of LOG_LEVELS) logger[level](event as unknown as LogEvent);
    expect(records).toHaveLength(LOG_LEVELS.length);
    const text = JSON.stringify([records, logger.ring()]);
    for (const canary of ["canary@", "867", "abc123xyz987", "hunter2"]) expect(text).not.toContain(canary);
  });

  test("long messages are redacted before they are cut, however long", () => {
    const logger = new SecureLogger({ sink: () => undefined, now });
    logger.info({ ...EVENT, msg: `${"x".repeat(1990)} canary@mail.example.com` });
    logger.info({ ...EVENT, msg: "y".repeat(1_000_000) });
    const [first, second] = logger.ring();
    expect(first?.msg).toMatch(/x \[REDACTE…$/);
    expect(second?.msg).toHaveLength(2000);
  });
});

describe("levels and ring", () => {
  test("below the level nothing is written; the default is info", () => {
    const logger = new SecureLogger({ sink: () => undefined, now });
    for (const level of LOG_LEVELS) logger[level](EVENT);
    expect(logger.ring().map(({ level }) => level)).toEqual(["info", "warning", "error", "fatal"]);
  });

  test("the ring keeps the last hundred, oldest first", () => {
    const logger = new SecureLogger({ sink: () => undefined, now });
    expect(logger.ring()).toEqual([]);
    for (let i = 0; i < 250; i++) logger.info({ ...EVENT, attempt: i });
    expect(logger.ring().map(({ attempt }) => attempt)).toEqual(Array.from({ length: 100 }, (_, i) => 150 + i));
  });

  test("its size is an option, 0 is none, and nonsense is refused", () => {
    const logger = new SecureLogger({ sink: () => undefined, now, ringSize: 0 });
    logger.info(EVENT);
    expect(logger.ring()).toEqual([]);
    expect(() => new SecureLogger({ sink: () => undefined, now, ringSize: -1 })).toThrow(RangeError);
  });
});

test("a sink or a clock that throws harms nobody, and is counted", () => {
  const logger = new SecureLogger({
    sink: () => {
      throw new Error("disk full");
    },
    now,
  });
  logger.error(EVENT);
  expect(logger.sinkFailures).toBe(1);
  expect(logger.ring()).toHaveLength(1);
  const timeless = new SecureLogger({ sink: () => undefined, now: () => Number.NaN as EpochMs });
  timeless.error(EVENT);
  expect(timeless.sinkFailures).toBe(1);
});

test("the silent logger has all levels", () => {
  for (const level of LOG_LEVELS) expect(() => SILENT_LOGGER[level](EVENT)).not.toThrow();
});
