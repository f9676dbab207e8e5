import { describe, expect, test } from "vitest";
import { exportWriter } from "./export-format.ts";
import type { ExportRow } from "./redacted-row.ts";

const row = (more: Partial<ExportRow> = {}): ExportRow => ({
  id: "i1",
  operation_type: "UPDATE",
  entity_type: "room",
  entity_id: "r1",
  enqueued_at: "2025-11-22T09:15:30.125Z",
  attempt_count: 0,
  next_retry_at: null,
  backoff_ms: null,
  status: "pending",
  idempotency_key: "k1",
  trace_id: "t1",
  last_error: null,
  ...more,
});
const facts = { exportedAt: "2026-01-01T00:00:00.000Z", includePayload: false };
const HEAD =
  "id,operation_type,entity_type,entity_id,enqueued_at,attempt_count,next_retry_at,backoff_ms,status,idempotency_key,trace_id,last_error";

describe("C1 CSV", () => {
  const cells = (more: Partial<ExportRow>): string => exportWriter("csv", facts).page([row(more)]);

  test("has exactly this header, payload last when asked for", () => {
    expect(exportWriter("csv", facts).head()).toBe(`${HEAD}\n`);
    expect(exportWriter("csv", { ...facts, includePayload: true }).head()).toBe(`${HEAD},payload\n`);
  });

  test("has one line for one operation, nothing for null", () => {
    expect(cells({})).toBe("i1,UPDATE,room,r1,2025-11-22T09:15:30.125Z,0,,,pending,k1,t1,\n");
    expect(cells({ next_retry_at: "2025-11-22T09:16:00.000Z", backoff_ms: 5000, attempt_count: 3 })).toContain(
      ",3,2025-11-22T09:16:00.000Z,5000,pending,",
    );
  });

  test("quotes by RFC 4180, and spells line breaks out", () => {
    expect(cells({ last_error: 'E 422 say "no", please' })).toContain(',"E 422 say ""no"", please"\n');
    const broken = cells({ last_error: "one\ntwo\r\nthree\rfour\u2028five" });
    expect(broken.trimEnd().split("\n")).toHaveLength(1);
    expect(broken).toContain("one\\ntwo\\nthree\\rfour\\u2028five");
  });

  test.each(["=1+1", "+1", "-1", "@sum", "\uff1d1", '=HYPERLINK("http://evil","x")'])("neutralises the formula %s", (text) => {
    expect(cells({ entity_id: text })).toMatch(/,"?'/);
  });

  test("neutralises cells that begin with a tab or a carriage return", () => {
    expect(cells({ entity_id: "\t=1" })).toContain(",\\t=1,");
    expect(cells({ entity_id: "\r=1" })).toContain(",\\r=1,");
  });

  test("has the payload as JSON in one cell", () => {
    const text = exportWriter("csv", { ...facts, includePayload: true }).page([row({ payload: { name: 'a"b', n: 1 } })]);
    expect(text).toContain(',"{""name"":""a\\""b"",""n"":1}"\n');
  });
});

describe("C1 JSON", () => {
  test("is one object, written in pieces, with the count of what it holds", () => {
    const writer = exportWriter("json", facts);
    const text = writer.head() + writer.page([row(), row({ id: "i2" })]) + writer.page([row({ id: "i3" })]) + writer.tail(3);
    const parsed = JSON.parse(text) as {
      readonly exported_at: string;
      readonly total_count: number;
      readonly operations: readonly ExportRow[];
    };
    expect(Object.keys(parsed).toSorted()).toEqual(["exported_at", "operations", "total_count"]);
    expect([parsed.exported_at, parsed.total_count]).toEqual([facts.exportedAt, 3]);
    expect(parsed.operations.map(({ id }) => id)).toEqual(["i1", "i2", "i3"]);
    expect(parsed.operations[0]).toEqual(row());
  });

  test("without operations is still whole", () => {
    const writer = exportWriter("json", facts);
    expect(JSON.parse(writer.head() + writer.tail(0))).toEqual({ exported_at: facts.exportedAt, total_count: 0, operations: [] });
  });

  test("lines: one object a line, nothing around them", () => {
    const writer = exportWriter("jsonl", facts);
    const lines = (writer.head() + writer.page([row(), row({ id: "i2" })]) + writer.tail(2)).trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as ExportRow).id)).toEqual(["i1", "i2"]);
  });
});
