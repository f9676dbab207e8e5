import type { Json, JsonObject } from "@guardian-sync/protocol";
import { afterEach, describe, expect, test } from "vitest";
import { PlainRestBackend, refused, TestWorld, type SeenRequest } from "../testing/index.ts";
import { defineEntity, defineOperation } from "./definitions.ts";

const folder = defineEntity("folder", { collection: "folders", ids: "server" });
const note = defineEntity("note", { collection: "notes", ids: "server", references: { folder_id: "folder", "links.note_id": "note" } });
const move = defineOperation<{ id: string; to: string }>("note.move", {
  entity: ({ id }) => note.ref(id),
  references: { to: "folder" },
  apply: (draft, { to }) => {
    draft.folder_id = to;
  },
  request: ({ entityId, input, patch }) => ({ method: "POST", path: `/api/v1/notes/${entityId}`, body: { to: input.to, ...patch } }),
});

let backend: PlainRestBackend;
let world: TestWorld;
const posts: Json[] = [];
function begin(): void {
  backend = new PlainRestBackend({ ids: "server" });
  posts.length = 0;
  world = new TestWorld({
    backend: (request: SeenRequest) => {
      if (request.body !== undefined && !request.path.includes("/sync/")) posts.push(request.json);
      return backend.answer(request);
    },
  });
}
afterEach(() => world.close());

const engine = (level: 0 | 1 | 2 = 2) => world.engine({ entities: [folder, note], operations: [move], backend: { level } });

describe("X9 a document that its backend names", () => {
  test("is called by the backend's id in everything that is sent after its answer: paths, references, inputs", async () => {
    begin();
    const sync = await engine();
    const home = await world.run(sync.enqueue({ type: "CREATE", entityType: "folder", payload: { name: "Home" } }));
    const made = await world.run(
      sync.enqueue({ type: "CREATE", entityType: "note", payload: { folder_id: home.entityId, title: home.entityId } }),
    );
    const links = [{ note_id: made.entityId }, { note_id: "s77" }];
    await world.run(sync.enqueue({ type: "UPDATE", entityType: "note", entityId: made.entityId, payload: { links } }));
    sync.run(move, { id: made.entityId, to: home.entityId });
    await world.run(sync.enqueue({ type: "DELETE", entityType: "folder", entityId: home.entityId }));
    expect(await world.drain(sync)).toEqual({ empty: true });
    expect(backend.writes).toEqual([
      "POST /api/v1/folders",
      "POST /api/v1/notes",
      "PATCH /api/v1/notes/s2",
      "POST /api/v1/notes/s2",
      "DELETE /api/v1/folders/s1",
    ]);
    expect(posts).toEqual([
      { name: "Home" },
      // Only what was declared is an id; the title merely looks like one.
      { folder_id: "s1", title: home.entityId },
      { links: [{ note_id: "s2" }, { note_id: "s77" }] },
      { to: "s1", folder_id: "s1" },
    ]);
    expect(await world.run(made.settled)).toEqual({ verdict: "applied", status: 201, serverId: "s2" });
  });

  test("Q2 under entity ordering: what refers to it waits until it has a name, others do not", async () => {
    begin();
    const sync = await world.engine({ entities: [folder, note], operations: [move], backend: { level: 2 }, ordering: "entity" });
    await world.run(sync.enqueue({ type: "CREATE", entityType: "folder", payload: { name: "first" } }));
    await world.drain(sync);
    const home = await world.run(sync.enqueue({ type: "CREATE", entityType: "folder", payload: { name: "Home" } }));
    const inHome = { type: "CREATE", entityType: "note", payload: { folder_id: home.entityId } } as const;
    await world.run(sync.enqueueMany([inHome, inHome, { type: "CREATE", entityType: "note", payload: { title: "free" } }]));
    expect(await world.drain(sync)).toEqual({ empty: true });
    expect(posts.slice(1)).toEqual([{ name: "Home" }, { title: "free" }, { folder_id: "s2" }, { folder_id: "s2" }]);
  });

  test("keeps its name here, says what the backend calls it, and remembers both after a restart", async () => {
    begin();
    const first = await engine();
    const seen: (string | null)[] = [];
    const { entityId } = await world.run(first.enqueue({ type: "CREATE", entityType: "note", payload: { title: "a" } }));
    const off = first.entity(note, entityId).subscribe(({ serverId }) => seen.push(serverId));
    await world.drain(first);
    await world.advance(1000);
    off();
    expect(new Set(seen)).toEqual(new Set([null, "s1"]));
    await world.run(first.close());

    const second = await engine();
    await world.run(second.enqueue({ type: "UPDATE", entityType: "note", entityId, payload: { title: "b" } }));
    // An id of the backend's own stands for itself.
    await world.run(second.enqueue({ type: "UPDATE", entityType: "note", entityId: "s1", payload: { title: "c" } }));
    await world.drain(second);
    expect(backend.writes.slice(1)).toEqual(["PATCH /api/v1/notes/s1", "PATCH /api/v1/notes/s1"]);
    expect(second.entity(note, entityId).get().serverId).toBeNull();
  });

  test("is parked when the backend does not say its id, and what was written for it waits", async () => {
    begin();
    const sync = await engine();
    world.transport.next("/api/v1/notes", { kind: "answer", status: 201, headers: {}, body: "", elapsedMs: 0 });
    const { entityId } = await world.run(sync.enqueue({ type: "CREATE", entityType: "note", payload: { title: "a" } }));
    await world.run(sync.enqueue({ type: "UPDATE", entityType: "note", entityId, payload: { title: "b" } }));
    expect(await world.drain(sync)).toEqual({ empty: false, reason: "blocked" });
    expect(await world.run(sync.failed.list())).toMatchObject([{ state: "parked", code: "OUTCOME_UNKNOWN", entityId }]);
    expect(await world.run(sync.status())).toMatchObject({ pending: 1, conserved: true });
  });

  test("holds back what refers to it while its CREATE is refused, and lets it go when that has its id", async () => {
    begin();
    const sync = await engine();
    world.transport.next("/api/v1/folders", refused(422, "VALIDATION_ERROR"));
    const home = await world.run(sync.enqueue({ type: "CREATE", entityType: "folder", payload: { name: "Home" } }));
    await world.run(sync.enqueue({ type: "CREATE", entityType: "note", payload: { folder_id: home.entityId } }));
    await world.run(sync.enqueue({ type: "CREATE", entityType: "note", payload: { folder_id: "s9" } }));
    expect(await world.drain(sync)).toEqual({ empty: false, reason: "blocked" });
    expect(posts).toEqual([{ folder_id: "s9" }]);
    await world.run(sync.failed.retry({ ids: [home.id] }));
    expect(await world.drain(sync)).toEqual({ empty: true });
    expect(posts.slice(1)).toEqual([{ name: "Home" }, { folder_id: "s2" }]);
  });

  test("may name its id otherwise, or only in Location", async () => {
    begin();
    const sync = await world.engine({ entities: [defineEntity("note", { collection: "notes", ids: "server", idMember: "uid" })] });
    const answer = (headers: Record<string, string>, body: JsonObject) =>
      ({
        kind: "answer",
        status: 201,
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
        elapsedMs: 0,
      }) as const;
    world.transport.next("/api/v1/notes", answer({}, { id: "no", uid: 12 }), answer({ location: "/api/v1/notes/loc" }, {}));
    const a = await world.run(sync.enqueue({ type: "CREATE", entityType: "note", payload: { title: "a" } }));
    const b = await world.run(sync.enqueue({ type: "CREATE", entityType: "note", payload: { title: "b" } }));
    await world.drain(sync);
    expect([(await world.run(a.settled)).serverId, (await world.run(b.settled)).serverId]).toEqual(["12", "loc"]);
  });
});

describe("X1 X9 its CREATE whose answer was lost, on a backend without keys", () => {
  const lose = () =>
    world.transport.next("/api/v1/notes", (request) => {
      backend.answer(request);
      return refused(502, "BAD_GATEWAY")(request);
    });

  test("is not sent again: nobody could tell the second document from the first", async () => {
    begin();
    const sync = await engine(0);
    lose();
    await world.run(sync.enqueue({ type: "CREATE", entityType: "note", payload: { title: "a" } }));
    await world.drain(sync);
    expect(backend.documents.size).toBe(1);
    expect(await world.run(sync.failed.list())).toMatchObject([{ state: "parked", code: "OUTCOME_UNKNOWN" }]);
  });

  test("is found where its definition says, and goes on under the id it has there", async () => {
    begin();
    const found = defineEntity("note", { ...note, findExisting: () => "/api/v1/notes" });
    const sync = await world.engine({ entities: [found] });
    lose();
    const a = await world.run(sync.enqueue({ type: "CREATE", entityType: "note", payload: { title: "a" } }));
    await world.run(sync.enqueue({ type: "UPDATE", entityType: "note", entityId: a.entityId, payload: { title: "b" } }));
    expect(await world.drain(sync)).toEqual({ empty: true });
    expect([...backend.documents]).toEqual([["s1", { id: "s1", title: "b" }]]);
    expect(await world.run(a.settled)).toMatchObject({ verdict: "applied", serverId: "s1" });
  });

  test("is sent again when it is not there", async () => {
    begin();
    const found = defineEntity("note", { ...note, findExisting: () => "/api/v1/notes" });
    const sync = await world.engine({ entities: [found] });
    world.transport.next("/api/v1/notes", refused(502, "BAD_GATEWAY"));
    const a = await world.run(sync.enqueue({ type: "CREATE", entityType: "note", payload: { title: "a" } }));
    expect(await world.drain(sync)).toEqual({ empty: true });
    expect(backend.documents.size).toBe(1);
    expect((await world.run(a.settled)).serverId).toBe("s1");
  });
});

test("Q8 declarations that cannot be meant are refused", () => {
  expect(() => defineEntity("note", { ids: "none" as never })).toThrow("ids must be client or server, got none");
  expect(() => defineEntity("note", { idMember: "uid" })).toThrow('are for ids: "server"');
});
