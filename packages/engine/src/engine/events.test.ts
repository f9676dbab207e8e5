import type { EpochMs } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { refused } from "../testing/scripted-transport.ts";
import { TestWorld } from "../testing/test-world.ts";
import { Emitter, type SyncEvent } from "./events.ts";

const OPS = "/api/v1/sync/ops";
const paused = (reason: string): { type: "paused"; reason: string; by: "operator" } => ({ type: "paused", reason, by: "operator" });

describe("the emitter", () => {
  const errors: unknown[] = [];
  let emitter = new Emitter(
    () => 7 as EpochMs,
    (error) => errors.push(error),
  );
  beforeEach(() => {
    errors.length = 0;
    emitter = new Emitter(
      () => 7 as EpochMs,
      (error) => errors.push(error),
    );
  });
  const next = async (iterator: AsyncGenerator<SyncEvent, void>): Promise<SyncEvent> => {
    const { value } = await iterator.next();
    if (value === undefined) throw new Error("it has ended");
    return value;
  };

  test("tells those who listen for a kind, and those who listen for all, with the time, until they leave", () => {
    const seen: string[] = [];
    const off = emitter.on("paused", ({ reason, at }) => seen.push(`paused ${reason} ${at}`));
    const offAll = emitter.on("*", ({ type }) => seen.push(`* ${type}`));
    expect([emitter.isHeard("paused"), emitter.isHeard("lock")]).toEqual([true, true]);
    emitter.emit(paused("a"));
    emitter.emit({ type: "resumed", by: "engine" });
    off();
    offAll();
    off();
    emitter.emit(paused("b"));
    expect(seen).toEqual(["paused a 7", "* paused", "* resumed"]);
    expect(emitter.isHeard("paused")).toBe(false);
  });

  test("a listener that throws harms neither the emitter nor the others", () => {
    const seen: string[] = [];
    const bang = new Error("bang");
    emitter.on("paused", () => {
      throw bang;
    });
    emitter.on("paused", ({ reason }) => seen.push(reason));
    emitter.emit(paused("a"));
    expect([seen, errors]).toEqual([["a"], [bang]]);
  });

  test("one that leaves, or comes, while others are told changes nothing for this event", () => {
    const seen: string[] = [];
    const off = emitter.on("paused", () => {
      seen.push("first");
      off();
      emitter.on("paused", () => seen.push("late"));
    });
    emitter.on("paused", () => seen.push("second"));
    emitter.emit(paused("a"));
    expect(seen).toEqual(["first", "second"]);
    emitter.emit(paused("b"));
    expect(seen).toEqual(["first", "second", "second", "late"]);
  });

  test("iterates over events from now on, several readers beside each other", async () => {
    emitter.emit(paused("before"));
    const [a, b] = [emitter.iterate(), emitter.iterate()];
    const first = [next(a), next(b)];
    emitter.emit(paused("1"));
    emitter.emit(paused("2"));
    expect(await Promise.all(first)).toMatchObject([{ reason: "1" }, { reason: "1" }]);
    expect(await next(a)).toMatchObject({ reason: "2" });
    await a.return();
    expect(emitter.isHeard("paused")).toBe(true);
    await b.return();
    expect(emitter.isHeard("paused")).toBe(false);
    expect((await a.next()).done).toBe(true);
  });

  test("Q7 keeps a thousand events for a slow reader, and says how many it missed", async () => {
    const reader = emitter.iterate();
    const first = next(reader);
    for (let i = 0; i <= 1500; i++) emitter.emit(paused(String(i)));
    expect(await first).toMatchObject({ reason: "0" });
    for (let i = 1; i < 1000; i++) expect(await next(reader)).toMatchObject({ reason: String(i) });
    expect(await next(reader)).toMatchObject({ type: "notice", code: "EVENTS_MISSED", message: expect.stringContaining("501 events") });
    const later = next(reader);
    emitter.emit(paused("later"));
    expect(await later).toMatchObject({ reason: "later" });
    await reader.return();
  });

  test("ends its readers when the engine closes, after what they have not read yet", async () => {
    const [waiting, behind] = [emitter.iterate(), emitter.iterate()];
    const end = waiting.next();
    void behind.next();
    emitter.emit(paused("1"));
    emitter.emit(paused("2"));
    await end;
    const last = waiting.next();
    const ended = waiting.next();
    emitter.close();
    expect([(await last).value, (await ended).done]).toEqual([expect.objectContaining({ reason: "2" }), true]);
    expect((await next(behind)) as object).toMatchObject({ reason: "2" });
    expect((await behind.next()).done).toBe(true);
    expect((await emitter.iterate().next()).done).toBe(true);
  });
});

describe("the events of an engine", () => {
  let world = new TestWorld();
  beforeEach(() => {
    world = new TestWorld();
  });
  afterEach(() => world.close());

  test("tell the life of an operation, and nothing that a user wrote", async () => {
    const engine = await world.engine();
    const seen: SyncEvent[] = [];
    engine.on("*", (event) => seen.push(event));
    world.transport.next(OPS, refused(500, "INTERNAL_ERROR"));
    world.backend.judge = ({ entity_id }) =>
      entity_id === "no" ? { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } } : undefined;
    await world.enqueue(engine, ["UPDATE a"], { payload: { secret: "hunter2" } });
    await world.drain(engine);
    await world.enqueue(engine, ["UPDATE no"], { payload: { secret: "hunter2" } });
    await world.drain(engine);
    expect(seen.map(({ type }) => type).filter((type) => type !== "waiting" && type !== "lock")).toEqual([
      "enqueued",
      "sealed",
      "retried",
      "succeeded",
      "enqueued",
      "sealed",
      "failed",
      "rolledback",
    ]);
    expect(seen.find(({ type }) => type === "retried")).toMatchObject({
      attempt: 1,
      code: "INTERNAL_ERROR",
      status: 500,
      operation: { seq: 1 },
    });
    expect(seen.find(({ type }) => type === "succeeded")).toMatchObject({ outcome: "applied", replayed: false, version: 1 });
    expect(JSON.stringify(seen)).not.toMatch(/hunter2|token-1/);
    expect(world.logged.join()).not.toMatch(/hunter2|token-1/);
  });

  test("a listener that throws harms nothing: not the operation, not the queue, not the next listener", async () => {
    const engine = await world.engine();
    engine.on("*", () => {
      throw new Error("the app is broken");
    });
    const [operation] = await world.enqueue(engine, ["UPDATE a"]);
    operation!.subscribe(() => {
      throw new TypeError("so is this");
    });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await world.run(operation!.settled)).toMatchObject({ verdict: "applied" });
    expect(world.logged).toContain("error handler_failed Error");
    expect(world.logged).toContain("error handler_failed TypeError");
  });

  test("`for await` ends when the engine is closed", async () => {
    const engine = await world.engine();
    const types: string[] = [];
    const reading = (async () => {
      for await (const { type } of engine.events) types.push(type);
    })();
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    await world.run(engine.close());
    await world.run(reading);
    expect(types).toContain("succeeded");
    expect(types.at(-1)).toBe("lock");
  });
});
