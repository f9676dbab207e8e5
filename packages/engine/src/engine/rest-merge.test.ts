import type { JsonObject } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answered, answeredHtml, failed } from "../testing/scripted-transport.ts";
import { PlainRestBackend } from "../testing/tiny-backend.ts";
import { TestWorld } from "../testing/test-world.ts";
import { defineEntity } from "./definitions.ts";
import type { EntityView } from "./live-view.ts";
import type { SyncEngine } from "./sync-engine.ts";

type Level = 0 | 1 | 2 | 3;
const NOTES = "/api/v1/notes";
const NOTE = `${NOTES}/n`;
const HELLO = "/api/v1/sync/handshake";
const note = defineEntity("note", { collection: "notes", fields: { tags: "set", votes: "increment", title: { policy: "ask" } } });
const bare = defineEntity("bare", { collection: "notes" });

let rest = new PlainRestBackend({ etags: true });
let world = new TestWorld();
beforeEach(() => {
  rest = new PlainRestBackend({ etags: true });
  world = new TestWorld({ backend: (request) => rest.answer(request) });
});
afterEach(() => world.close());

const open = (level: Level): Promise<SyncEngine> =>
  world.engine({ entities: [note, bare], backoff: { baseMs: 10, maxDelayMs: 10 }, backend: { level } });
const update = (engine: SyncEngine, payload: JsonObject, entityType = "note"): Promise<unknown> =>
  world.run(engine.enqueue({ type: "UPDATE", entityType, entityId: "n", payload }));
const looks = (): number => world.transport.requests.filter(({ method, path }) => method === "GET" && path === NOTE).length;
/** Its own CREATE was answered, so what its user sees is known; then somebody else writes. */
async function apart(level: Level, theirs: JsonObject | null): Promise<{ engine: SyncEngine; now: () => EntityView }> {
  const engine = await open(level);
  let seen: EntityView | undefined;
  engine.entity(note, "n").subscribe((view) => {
    seen = view;
  });
  const payload = { id: "n", title: "a", tags: ["x"], votes: 1 };
  await world.run(engine.enqueue({ type: "CREATE", entityType: "note", entityId: "n", payload }));
  await world.drain(engine);
  if (theirs === null) rest.documents.delete("n");
  else rest.put("n", { id: "n", ...theirs });
  return { engine, now: () => seen as EntityView };
}

describe.each([1, 2] as const)("an edit that meets somebody else's write at level %i, by a plain route", (level) => {
  test("X4 X5 what stands there is read, the edit is merged onto it, and goes on its condition", async () => {
    const { engine, now } = await apart(level, { title: "a", tags: ["x", "theirs"], votes: 5, more: true });
    await update(engine, { tags: ["x", "mine"], votes: 3 });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(rest.documents.get("n")).toMatchObject({ title: "a", tags: ["x", "theirs", "mine"], votes: 7, more: true });
    expect(world.transport.to(NOTE).map(({ method, headers }) => [method, headers["If-Match"]])).toEqual([
      ["PATCH", '"v1"'],
      ["GET", undefined],
      ["PATCH", '"v2"'],
    ]);
    expect(now().value).toMatchObject({ tags: ["x", "theirs", "mine"], votes: 7 });
    expect(await engine.status()).toMatchObject({ succeeded: 2, conflict: 0, conserved: true });
  });

  test("X5 what no rule decides is shown with both sides, and resolved on the version that was read", async () => {
    const { engine } = await apart(level, { title: "theirs", tags: ["x"], votes: 1 });
    await update(engine, { title: "mine" });
    await world.drain(engine);
    const [conflict] = await engine.conflicts.list();
    expect(conflict).toMatchObject({
      fields: [{ path: "title", before: "a", mine: "mine", theirs: "theirs" }],
      server: { version: 2, value: { title: "theirs" } },
      wanted: { title: "mine" },
    });
    await world.run(engine.conflicts.resolve(conflict?.id ?? "", "mine"));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(rest.documents.get("n")).toMatchObject({ title: "mine" });
  });

  test("X5 what was deleted meanwhile is a conflict, and says so", async () => {
    const { engine } = await apart(level, null);
    await update(engine, { votes: 3 });
    await world.drain(engine);
    expect(await engine.conflicts.list()).toMatchObject([{ code: "RESOURCE_NOT_FOUND", server: { value: null }, wanted: null }]);
  });

  test("X4 without an answer it stays sealed, the origin is failing, and it is asked again; then it merges", async () => {
    const { engine } = await apart(level, { title: "a", tags: ["theirs"], votes: 1 });
    const stop = world.transport.always(({ method, path }) => method === "GET" && path === NOTE, failed("reset"));
    await update(engine, { tags: ["x", "mine"] });
    await world.advance(2000);
    expect(await engine.status()).toMatchObject({ sealed: 1, conflict: 0, conserved: true });
    expect(looks()).toBeGreaterThan(1);
    stop();
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(rest.documents.get("n")).toMatchObject({ tags: ["theirs", "mine"] });
  });

  test("X4 so does a page of a portal", async () => {
    const { engine } = await apart(level, { title: "a", tags: ["theirs"], votes: 1 });
    world.transport.next(({ method, path }) => method === "GET" && path === NOTE, answeredHtml(200));
    await update(engine, { tags: ["x", "mine"] });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(looks()).toBe(2);
    expect(rest.documents.get("n")).toMatchObject({ tags: ["theirs", "mine"] });
  });

  test("X4 a document that may not be read is decided by a person, without the other side", async () => {
    const { engine } = await apart(level, { title: "a", tags: ["theirs"], votes: 1 });
    const isLook = ({ method, path }: { readonly method: string; readonly path: string }): boolean => method === "GET" && path === NOTE;
    world.transport.always(isLook, answered(403, { code: "FORBIDDEN", message: "no" }));
    await update(engine, { tags: ["x", "mine"] });
    await world.drain(engine);
    expect(await engine.status()).toMatchObject({ conflict: 1, conserved: true });
    expect(looks()).toBe(1);
  });

  test("R2 the origin asked for time meanwhile: no question before it is over", async () => {
    const { engine } = await apart(level, { title: "a", tags: ["theirs"], votes: 1 });
    const busy = { ...answered(503, { message: "busy" }), headers: { "content-type": "application/json", "retry-after": "60" } };
    world.transport.next(({ method, path }) => method === "GET" && path === NOTE, busy);
    await update(engine, { tags: ["x", "mine"] });
    await world.advance(1000);
    const asked = looks();
    await world.advance(55_000);
    expect(looks()).toBe(asked);
    expect(await engine.status()).toMatchObject({ sealed: 1 });
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(rest.documents.get("n")).toMatchObject({ tags: ["theirs", "mine"] });
  });

  test("X4 an entity without rules is asked about, with what stands there", async () => {
    const engine = await open(level);
    rest.put("n", { name: "theirs" });
    rest.put("n", { name: "theirs now" });
    const input = { type: "UPDATE", entityType: "bare", entityId: "n", payload: { name: "mine" }, baseVersion: 1 } as const;
    await world.run(engine.enqueue(input));
    await world.drain(engine);
    expect(await engine.conflicts.list()).toMatchObject([
      { code: "PRECONDITION_FAILED", server: { version: 2, value: { name: "theirs now" } } },
    ]);
  });
});

describe.each([0, 1, 2, 3] as const)("level %i", (level) => {
  test("X4 a CREATE that finds its very content is done, by what is read", async () => {
    const engine = await open(level);
    rest.put("n", { id: "n", title: "a", tags: ["x"] });
    world.transport.always(({ method, path }) => method === "POST" && path === NOTES, answered(409, { message: "it exists" }));
    await world.run(engine.enqueue({ type: "CREATE", entityType: "note", entityId: "n", payload: { title: "a", tags: ["x"] } }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await engine.status()).toMatchObject({ succeeded: 1, conflict: 0, conserved: true });
  });

  test("X4 one that finds another is asked about, with both sides", async () => {
    const engine = await open(level);
    rest.put("n", { id: "n", title: "theirs" });
    world.transport.always(({ method, path }) => method === "POST" && path === NOTES, answered(409, { message: "it exists" }));
    await world.run(engine.enqueue({ type: "CREATE", entityType: "note", entityId: "n", payload: { title: "mine" } }));
    await world.drain(engine);
    expect(await engine.conflicts.list()).toMatchObject([
      { fields: [{ path: "title", mine: "mine", theirs: "theirs" }], server: { value: { title: "theirs" } } },
    ]);
  });
});

test("X4 a collection that wants conditions: what had none is merged onto what is read, and goes on one", async () => {
  const engine = await open(1);
  rest.put("n", { id: "n", tags: ["theirs"] });
  world.transport.next(({ method, path }) => method === "PATCH" && path === NOTE, answered(428, { message: "If-Match is required" }));
  await update(engine, { tags: ["mine"] });
  expect(await world.drain(engine)).toEqual({ empty: true });
  expect(rest.documents.get("n")).toMatchObject({ tags: ["theirs", "mine"] });
  expect(world.transport.to(NOTE).at(-1)?.headers["If-Match"]).toBe('"v1"');
  expect(world.transport.to(HELLO).length).toBeGreaterThan(0);
});

describe("X8 a document that may not be read says nothing about an operation that may have been applied", () => {
  const isAt =
    (wanted: string) =>
    ({ method, path }: { readonly method: string; readonly path: string }) =>
      method === wanted && path === NOTE;

  test("its tries are used up: its outcome is unknown, a person decides, and the queue goes on", async () => {
    const engine = await open(1);
    rest.put("n", { id: "n" });
    world.transport.always(isAt("PATCH"), answered(500, { message: "broken" }));
    world.transport.always(isAt("GET"), answered(405, { message: "not here" }));
    await update(engine, { tags: ["mine"] });
    await world.run(engine.enqueue({ type: "CREATE", entityType: "note", entityId: "m", payload: { id: "m" } }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await engine.failed.list()).toMatchObject([{ state: "parked", code: "OUTCOME_UNKNOWN" }]);
    expect(await engine.status()).toMatchObject({ failed: 1, succeeded: 1, conserved: true });
  });

  test("a conflict after an earlier send: a person decides", async () => {
    const { engine } = await apart(1, { title: "theirs", tags: ["theirs"] });
    world.transport.next(isAt("PATCH"), failed("reset"));
    world.transport.always(isAt("GET"), answered(403, { code: "FORBIDDEN", message: "no" }));
    await update(engine, { tags: ["x", "mine"] });
    await world.drain(engine);
    expect(await engine.conflicts.list()).toMatchObject([{ code: "PRECONDITION_FAILED", server: { version: 1 } }]);
    expect(await engine.status()).toMatchObject({ conflict: 1, conserved: true });
  });
});
