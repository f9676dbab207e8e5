import type { JsonObject } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestWorld } from "../testing/test-world.ts";
import { defineEntity, defineOperation } from "./definitions.ts";
import type { Operation } from "./operation.ts";
import type { SyncEngine } from "./sync-engine.ts";

const device = defineEntity("device", { collection: "devices" });
const rename = defineOperation<{ readonly id: string; readonly name: string }, { name: string; by: string }>("device.rename", {
  entity: ({ id }) => device.ref(id),
  apply: (draft, { name }) => {
    draft.name = name;
    draft.by = "me";
  },
});
let world = new TestWorld();
/** What the server refuses, until it is mended. */
let refused: string[] = [];
beforeEach(() => {
  world = new TestWorld();
  refused = ["first"];
  world.backend.offers = { operations: [rename.name] };
  world.backend.judge = ({ payload, type }) =>
    refused.some((word) => JSON.stringify(payload)?.includes(word) || type === word)
      ? { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } }
      : undefined;
});
afterEach(() => world.close());

const open = (): Promise<SyncEngine> => world.engine({ entities: [device], operations: [rename] });
async function write(engine: SyncEngine, payload: JsonObject | null, type: "UPDATE" | "DELETE" = "UPDATE"): Promise<Operation> {
  const input = { type, entityType: "device", entityId: "d", ...(payload === null ? {} : { payload }) } as const;
  const operation = await world.run(engine.enqueue(input));
  await world.drain(engine);
  return operation;
}
const sent = (): readonly unknown[] => world.backend.applied.map(({ payload }) => payload);

describe("Q6 a retry after later edits of the entity were applied", () => {
  test("leaves out the fields that they set, goes on the same condition, and says what it left out", async () => {
    const engine = await open();
    await write(engine, { a: "first", b: "first", c: "first" });
    await write(engine, { b: "later" });
    await write(engine, { x: "other" });
    const [kept] = await engine.failed.list();
    expect(kept).toMatchObject({ state: "failed", overtaken: ["b", "x"], payload: { a: "first", b: "first", c: "first" } });
    refused = [];
    expect(await world.run(engine.failed.retry({ all: true, reason: "mended" }))).toBe(1);
    await world.drain(engine);
    expect(sent().at(-1)).toEqual({ a: "first", c: "first" });
    expect(world.backend.feed.documents.get("d")).toEqual({ a: "first", b: "later", c: "first", x: "other" });
    expect(await engine.status()).toMatchObject({ succeeded: 3, failed: 0, conserved: true });
  });

  test("across a restart, and after it was archived; refused once more it keeps the rest, with its history", async () => {
    const engine = await open();
    await write(engine, { a: "first", b: "first" });
    await world.run(engine.failed.archive({ all: true, reason: "later" }));
    await write(engine, { b: "later" });
    await world.run(engine.close());
    const again = await open();
    await world.run(again.failed.restore({ all: true }));
    await world.run(again.failed.retry({ all: true, reason: "once more" }));
    await world.drain(again);
    const [kept] = await again.failed.list();
    expect(kept).toMatchObject({ payload: { a: "first" }, overtaken: null, code: "VALIDATION_ERROR" });
    expect(kept?.history.map(({ event }) => event)).toEqual(["archived: later", "restored", "retried: once more"]);
    await write(again, { a: "latest" });
    refused = [];
    await world.run(again.failed.retry({ all: true }));
    expect(await again.status()).toMatchObject({ failed: 0, pending: 0, succeeded: 3, conserved: true });
  });

  test("nothing left: it settles as superseded, with a receipt and an event, and is not sent", async () => {
    const engine = await open();
    const operation = await write(engine, { a: "first" });
    await write(engine, { a: "later" });
    const told: string[] = [];
    const states: string[] = [];
    engine.on("succeeded", ({ outcome }) => told.push(outcome));
    operation.subscribe(({ state }) => states.push(state));
    await world.advance(1);
    refused = [];
    const before = world.transport.requests.length;
    expect(await world.run(engine.failed.retry({ all: true }))).toBe(1);
    await world.drain(engine);
    expect(world.transport.requests).toHaveLength(before);
    expect(told).toEqual(["superseded"]);
    expect(states.at(-1)).toBe("superseded");
    await world.run(engine.close());
    const again = await open();
    expect(await (await again.operation(operation.id))?.status()).toMatchObject({
      state: "superseded",
      settled: { verdict: "superseded" },
    });
    expect(await again.status()).toMatchObject({ succeeded: 2, failed: 0, conserved: true });
  });

  test("a later DELETE takes everything, also of a failed DELETE", async () => {
    const engine = await open();
    await write(engine, { a: "first" });
    refused = ["DELETE"];
    await write(engine, null, "DELETE");
    refused = [];
    await write(engine, null, "DELETE");
    expect((await engine.failed.list()).map(({ overtaken }) => overtaken)).toEqual(["everything", "everything"]);
    await world.run(engine.failed.retry({ all: true }));
    await world.drain(engine);
    expect(world.backend.applied.map(({ type }) => type)).toEqual(["DELETE"]);
    expect(await engine.status()).toMatchObject({ succeeded: 3, failed: 0, conserved: true });
  });

  test("a declared operation goes whole while a field of its patch is left, and not at all when none is", async () => {
    const engine = await open();
    const run = async (name: string): Promise<void> => {
      await world.run(engine.run(rename, { id: "d", name }).stored);
      await world.drain(engine);
    };
    await run("first a");
    await write(engine, { by: "you" });
    refused = [];
    await world.run(engine.failed.retry({ all: true }));
    await world.drain(engine);
    expect(sent()).toEqual([{ by: "you" }, { id: "d", name: "first a" }]);
    refused = ["first b"];
    await run("first b");
    await run("second");
    refused = [];
    await world.run(engine.failed.retry({ all: true }));
    await world.drain(engine);
    expect(sent()).toHaveLength(3);
    expect(await engine.status()).toMatchObject({ succeeded: 4, failed: 0, conserved: true });
  });

  test("earlier edits, and those of other entities, take nothing", async () => {
    const engine = await open();
    world.connectivity.turn(false);
    await world.enqueue(engine, ["UPDATE other"]);
    await world.run(engine.enqueue({ type: "UPDATE", entityType: "device", entityId: "d", payload: { name: "before" } }));
    await world.run(engine.enqueue({ type: "UPDATE", entityType: "device", entityId: "d", payload: { name: "first" } }));
    await world.enqueue(engine, ["UPDATE other"]);
    world.connectivity.turn(true);
    await world.drain(engine);
    expect(await engine.failed.list()).toMatchObject([{ overtaken: null }]);
  });

  test("Q7 however many failed: those of the entity are found", async () => {
    const engine = await world.engine({ entities: [device], operations: [rename], batch: { maxOperations: 500 } });
    refused = ["first", "crowd"];
    const inputs = Array.from({ length: 120 }, (_, at) => ({
      type: "UPDATE" as const,
      entityType: "device",
      entityId: `e${at}`,
      payload: { name: "crowd" },
    }));
    await write(engine, { a: "first", b: "first" });
    await world.run(engine.enqueueMany(inputs));
    for (let at = 0; at < 40; at++) {
      await world.drain(engine);
      if ((await engine.status()).pending === 0) break;
      await world.run(engine.resume());
    }
    await write(engine, { a: "later" });
    expect(await engine.failed.list({ entityId: "d" })).toMatchObject([{ overtaken: ["a"] }]);
  });
});

describe("Q6 lists are narrowed", () => {
  test("by type, entity type, entity, code and age; so are selections", async () => {
    const engine = await open();
    await write(engine, { a: "first" });
    await world.run(engine.run(rename, { id: "e", name: "first" }).stored);
    await world.drain(engine);
    await world.advance(60_000);
    refused = ["second"];
    await world.run(engine.enqueue({ type: "UPDATE", entityType: "device", entityId: "f", payload: { a: "second" } }));
    await world.drain(engine);
    const ids = async (filter: object): Promise<readonly string[]> => (await engine.failed.list(filter)).map(({ entityId }) => entityId);
    expect(await ids({})).toEqual(["d", "e", "f"]);
    expect(await ids({ type: "device.rename" })).toEqual(["e"]);
    expect(await ids({ entityType: "lamp" })).toEqual([]);
    expect(await ids({ entityId: "f" })).toEqual(["f"]);
    expect(await ids({ code: "VALIDATION_ERROR", limit: 2 })).toEqual(["d", "e"]);
    expect(await ids({ code: "GONE" })).toEqual([]);
    expect(await ids({ olderThanMs: 30_000 })).toEqual(["d", "e"]);
    // Pages are of what is meant, not of what is read.
    expect(await ids({ entityId: "f", limit: 1 })).toEqual(["f"]);
    expect(await engine.failed.count({ all: true, type: "UPDATE" })).toBe(2);
    expect(await world.run(engine.failed.archive({ all: true, olderThanMs: 30_000, type: "UPDATE" }))).toBe(1);
    expect(await ids({})).toEqual(["e", "f"]);
  });
});

describe("Q6 watchers hear what a person decides", () => {
  test("archive, restore, retry and discard, each at once", async () => {
    const engine = await open();
    const operation = await write(engine, { a: "first" });
    const states: string[] = [];
    operation.subscribe(({ state }) => states.push(state));
    await world.advance(1);
    const all = { all: true } as const;
    await world.run(engine.failed.archive(all));
    await world.run(engine.failed.restore(all));
    await world.run(engine.failed.archive(all));
    await world.run(engine.failed.discard(all));
    expect(states).toEqual(["failed", "archived", "failed", "archived", "cancelled"]);
  });
});

describe("Q6 what could not be read", () => {
  const flip = (): void =>
    world.disk.transaction({ ownWrites: 0 }, () => {
      const [segment] = [...world.disk.segments.from(0)];
      if (segment !== undefined) world.disk.segments.set(segment.seqFrom, { ...segment, body: segment.body.map((byte) => byte ^ 1) });
    });

  test("Q1 is put aside and brought back by name, and tried again once it can be read", async () => {
    refused = [];
    const engine = await world.engine({ entities: [device], autoStart: false });
    await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    flip();
    engine.start();
    await world.drain(engine);
    const ids = (await engine.quarantine.list()).map(({ id }) => id);
    const [first = ""] = ids;
    expect(await world.run(engine.failed.archive({ all: true }))).toBe(0);
    expect(await world.run(engine.failed.archive({ ids: [first], reason: "the key is lost" }))).toBe(1);
    expect(await engine.failed.list({}, ["archived"])).toHaveLength(1);
    expect(await world.run(engine.failed.restore({ all: true }))).toBe(1);
    expect(await engine.status()).toMatchObject({ quarantined: 2, archived: 0, conserved: true });
    expect(await world.run(engine.failed.retry({ ids }))).toBe(0);
    await world.run(engine.close());
    // A backup brings the bytes.
    flip();
    const again = await world.engine({ entities: [device] });
    const found = (await again.quarantine.list()).map(({ id }) => id);
    expect(await world.run(again.failed.retry({ ids: found }))).toBe(2);
    expect(await world.drain(again)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "b"]);
    expect(await again.status()).toMatchObject({ quarantined: 0, succeeded: 2, conserved: true });
  });
});
