import { describe, expect, test } from "vitest";
import { CANARY, CanaryWatch, TOKEN_CANARY } from "./canary-watch.ts";
import type { Account, Enqueued, Invariant } from "./model.ts";
import { OperationsWatch } from "./operations-watch.ts";
import { RestraintWatch } from "./restraint-watch.ts";
import { SenderWatch } from "./sender-watch.ts";
import type { Shown } from "./shown.ts";
import { ViewWatch } from "./view-watch.ts";
import { ProcessGate, Timeline } from "guardian-sync/testing";

let told: string[] = [];
const report = (invariant: Invariant, message: string): void => void told.push(`${invariant} ${message}`);
const heard = (): string[] => told.splice(0);

const ALICE: Account = { space: "house", principal: "alice" };
const BOB: Account = { space: "house", principal: "bob" };
const FINE = { state: "applied", code: null, verdict: "applied" };

/** A watch that has seen `count` operations written by one process. */
function written(count: number): { readonly watch: OperationsWatch; readonly records: readonly Enqueued[] } {
  told = [];
  const watch = new OperationsWatch(report);
  const facts = { id: null, device: "d1", process: "d1.p1#1", type: "UPDATE", entityType: "note", lane: null, by: 0 };
  const records = Array.from({ length: count }, (_, i) => watch.enqueued({ ...facts, entityId: `n${i % 2}`, marker: `m${i}.` }));
  for (const [i, record] of records.entries()) watch.named(record, `id-${i}`);
  const segment = { account: "tag", idMin: "id-0", idMax: `id-${count - 1}`, count } as never;
  watch.appended("d1", "d1.p1#1", [segment], [1] as never, () => ALICE);
  for (const record of records) record.stored = "stored";
  return { watch, records };
}
const seen = (i: number, more: object = {}): never =>
  ({ key: `key-${i}`, operation_id: `id-${i}`, type: "UPDATE", entity_type: "note", entity_id: "n", payload: { i }, ...more }) as never;

describe("the oracle tells", () => {
  test("an operation that nobody knows any more, or that ended otherwise than it acted", () => {
    const { watch, records } = written(3);
    const [a, b, c] = records as [Enqueued, Enqueued, Enqueued];
    watch.judge(a, { state: "unknown", code: null, verdict: null });
    watch.judge(b, FINE);
    watch.effect("id-2");
    watch.judge(c, { state: "failed", code: "VALIDATION_ERROR", verdict: "rejected" });
    watch.judge(c, { state: "failed", code: "OUTCOME_UNKNOWN", verdict: "failed" });
    expect(heard()).toEqual([
      expect.stringMatching(/^INV1 .*knows nothing of it/),
      expect.stringMatching(/^INV2 .*took no effect/),
      expect.stringMatching(/^INV2 .*took effect/),
    ]);
  });

  test("two effects of one operation, an effect of none, and of one that was cancelled for certain", () => {
    const { watch, records } = written(2);
    watch.effect("id-0");
    watch.effect("id-0");
    watch.effect("id-7");
    watch.withdrawn(records[1] as Enqueued);
    watch.effect("id-1");
    expect(heard()).toEqual([
      expect.stringMatching(/^INV2 .*took effect 2 times/),
      expect.stringMatching(/^INV2 .*which nobody enqueued/),
      expect.stringMatching(/^INV2 .*was cancelled for certain/),
    ]);
  });

  test("what was sent and is folded, what is folded into something that was sent, and a folded one that acts by itself", () => {
    const { watch, records } = written(6);
    const [a, , c] = records as readonly Enqueued[];
    watch.seenOnWire("d1.p1#1", ALICE, [seen(2), seen(1)]);
    watch.folded("d1", 3, 1);
    watch.folded("d1", 4, 2);
    watch.folded("d1", 6, 1);
    watch.folded("d1", 5, 1);
    expect(heard()).toEqual([
      expect.stringMatching(/^INV2 .*though it was sent/),
      expect.stringMatching(/^INV2 .*which was sent before/),
      expect.stringMatching(/^INV2 .*about something else/),
    ]);
    watch.effect("id-0");
    expect([a, c].map((one) => one?.effects)).toEqual([1, 1]);
    watch.effect("id-4");
    expect(heard()).toEqual([expect.stringMatching(/^INV2 .*took effect by itself/), expect.stringMatching(/^INV2 .*took effect 2 times/)]);
  });

  test("what was annihilated and sent", () => {
    const { watch, records } = written(2);
    watch.seenOnWire("d1.p1#1", ALICE, [seen(0)]);
    for (const record of records) watch.judge(record, { state: "superseded", code: null, verdict: "superseded" });
    expect(heard()).toEqual([expect.stringMatching(/^INV2 .*is superseded, though it was sent/)]);
  });

  test("effects out of order, but not what was held back behind its entity", () => {
    const first = written(3);
    first.watch.effect("id-1");
    first.watch.effect("id-0");
    expect(heard()).toEqual([expect.stringMatching(/^INV3 .*same queue/)]);
    const second = written(3);
    second.watch.heldBack("d1", 1);
    second.watch.effect("id-1");
    second.watch.effect("id-0");
    expect(heard()).toEqual([]);
    const third = written(3);
    third.watch.heldBack("d1", 1);
    third.watch.effect("id-2");
    third.watch.effect("id-0");
    expect(heard()).toEqual([expect.stringMatching(/^INV3 .*same entity/)]);
  });

  test("a group that took effect by halves, or in two commits, and what took effect without what it depends on", () => {
    const { watch, records } = written(6);
    const [a, b, c, d, e, f] = records as [Enqueued, Enqueued, Enqueued, Enqueued, Enqueued, Enqueued];
    const failed = { state: "failed", code: "DEPENDENCY_FAILED", verdict: "failed" };
    a.group = b.group = [a, b];
    watch.effect("id-0", 1, 1);
    watch.judgeTogether(b, failed);
    watch.effect("id-1", 1, 2);
    c.parents = [d];
    watch.effect("id-2", 2, 3);
    watch.judgeTogether(c, FINE);
    d.touched = true;
    watch.effect("id-3", 2, 4);
    watch.judgeTogether(c, FINE);
    f.parents = [e];
    watch.effect("id-4", 3, 5);
    watch.effect("id-5", 3, 5);
    for (const record of [a, b, e, f]) watch.judgeTogether(record, FINE);
    expect(heard()).toEqual([
      expect.stringMatching(/^INV10 .*another member of its group took effect/),
      expect.stringMatching(/^INV10 .*in two parts/),
      expect.stringMatching(/^INV10 .*without operation id-3/),
    ]);
    d.touched = false;
    watch.judgeTogether(c, FINE);
    expect(heard()).toEqual([expect.stringMatching(/^INV10 .*before operation id-3/)]);
  });

  test("another content under a key, a new key that names no old one, and somebody else's token", () => {
    const { watch } = written(2);
    watch.seenOnWire("d1.p1#1", ALICE, [seen(0), seen(1)]);
    watch.seenOnWire("d1.p1#1", ALICE, [seen(0, { payload: {} })]);
    watch.seenOnWire("d1.p1#1", ALICE, [seen(1, { key: "key-9" })]);
    watch.seenOnWire("d1.p1#1", BOB, [seen(0)]);
    expect(heard()).toEqual([
      expect.stringMatching(/^INV2 .*another content/),
      expect.stringMatching(/^INV2 .*does not name the one/),
      expect.stringMatching(/^INV2 .*of alice as bob/),
    ]);
    watch.seenOnWire("d1.p1#1", ALICE, [seen(0, { key: "key-8", supersedes: ["key-0"] })]);
    expect(heard()).toEqual([]);
  });

  test("a sender that another one has replaced", () => {
    told = [];
    const watch = new SenderWatch(report);
    const lock = (process: string, fence: number): void => watch.lockWritten("d1", process, { fence, released: false } as never);
    lock("p1", 1);
    const judge = watch.commits("d1", "p1", { fence: { fence: 1 } } as never);
    lock("p2", 2);
    judge();
    expect([watch.fenceOf("p1"), watch.fenceOf("p2"), watch.takeovers, heard()]).toEqual([1, 2, 1, []]);
    watch.commits("d1", "p1", { fence: { fence: 1 } } as never)();
    watch.effect("client", { process: "p2", fence: 2 });
    watch.effect("client", { process: "p1", fence: 1 });
    watch.effect("client", { process: "p1", fence: 2 });
    expect(heard()).toEqual([
      expect.stringMatching(/^INV6 .*which 2 had replaced/),
      expect.stringMatching(/^INV6 .*after p2/),
      expect.stringMatching(/^INV6 .*both had effects under fence 2/),
    ]);
  });

  test("impatience, and more than the bounds", () => {
    told = [];
    let nowMs = 0;
    const watch = new RestraintWatch(report, () => nowMs);
    const request = { method: "POST", url: "https://origin.test/", headers: {}, timeoutMs: 1 } as const;
    watch.delivered("p1", { kind: "answer", status: 429, headers: { "retry-after": "10" }, body: "", elapsedMs: 0 });
    nowMs = 9999;
    watch.sent("p1", request, []);
    watch.ended("p1", request);
    nowMs = 10_000;
    watch.sent("p1", request, ["key"]);
    expect(heard()).toEqual([expect.stringMatching(/^INV8 .*0\.001 s before the Retry-After/)]);
    for (let i = 0; i < 300; i++) {
      watch.ended("p1", request);
      watch.sent("p1", request, ["key"]);
    }
    watch.sent(
      "p1",
      { ...request, body: "x".repeat(1_048_577) },
      Array.from({ length: 501 }, (_, i) => `key ${i}`),
    );
    for (let i = 0; i < 7; i++) watch.sent("p1", request, []);
    watch.read("p1", "readStates", 1001);
    watch.timers("p1", 41);
    expect(heard().map((line) => line.replace(/^INV8 p1 /, "").replace(/ \d+ times/, ""))).toEqual([
      "tried one operation in an hour",
      "sent a body of 1048577 bytes",
      "sent 501 operations in one request",
      "has 9 requests in flight",
      "asks readStates for up to 1001 rows at once",
      "waits for 41 things at once",
    ]);
  });

  test("an addition that shows twice or not at all, an own title that goes back, and a version that does", () => {
    told = [];
    const operations = new OperationsWatch(report);
    const views = new ViewWatch(report, operations, true);
    views.onSuspicion = (judge) => judge();
    const life = { label: "d1.p1#1", device: "d1" };
    const facts = { id: null, device: "d1", process: life.label, lane: null };
    const add = operations.enqueued({ ...facts, type: "counter.add", entityType: "counter", entityId: "c", marker: "", by: 5 });
    const [older, newer] = [1, 2].map((n) =>
      operations.enqueued({ ...facts, type: "UPDATE", entityType: "note", entityId: "n", marker: `${CANARY} ${n}.`, by: 0 }),
    ) as [Enqueued, Enqueued];
    for (const record of [add, older, newer]) record.watched = true;
    const counter = (value: number, version: number | null): void => views.counters(life, [{ entityId: "c", value: { value }, version }]);
    const note = (n: number): void => views.notes(life, [{ entityId: "n", value: { title: `${CANARY} ${n}.` }, version: null }]);
    views.begins(life.label);
    counter(5, null);
    add.effectVersion = 1;
    counter(5, 1);
    note(1);
    note(2);
    expect(heard()).toEqual([]);
    counter(10, 1);
    counter(0, null);
    note(1);
    views.notes(life, []);
    expect(heard()).toEqual([
      expect.stringMatching(/^INV5 .*shown twice/),
      expect.stringMatching(/^INV5 .*acknowledged is not shown/),
      expect.stringMatching(/^INV5 .*in the place of the later/),
      expect.stringMatching(/^INV5 .*no longer shows note n/),
    ]);
    newer.meddled = true;
    note(1);
    add.effectVersion = 3;
    counter(5, 3);
    counter(0, 2);
    expect(heard()).toEqual([expect.stringMatching(/^INV5 .*version 2 of c after 3/), expect.stringMatching(/^INV5 .*not shown/)]);
  });

  test("a page that shows something else than there is", () => {
    const views = new ViewWatch(report, new OperationsWatch(report), true);
    const one = (title: string, version = 1): Map<string, Shown> =>
      new Map([["note n", { entityType: "note", entityId: "n", value: { title }, version }]]);
    expect(views.compare("p", one("a"), one("a"))).toBeNull();
    expect(views.compare("p", one("a"), one("b"))).toMatch(/shows another note n/);
    expect(views.compare("p", one("a"), one("a", 2))).toMatch(/on version 1, and 2 is there/);
    expect(views.compare("p", new Map(), one("a"))).toMatch(/does not show/);
    expect(views.compare("p", one("a"), new Map())).toMatch(/is not there/);
  });

  test("canaries wherever they show, and nowhere else", () => {
    told = [];
    const watch = new CanaryWatch(report);
    watch.text("a line", "nothing");
    watch.headers("a header", { Authorization: `Bearer ${TOKEN_CANARY}` });
    expect(heard()).toEqual([]);
    watch.text("a URL", `/notes/${CANARY}`);
    watch.headers("a header", { "X-Debug": TOKEN_CANARY });
    watch.error("an error", new Error("outside", { cause: new Error(CANARY) }));
    watch.image("a disk", [new Map([["a", { body: new TextEncoder().encode(`…${CANARY} 7.`) }]]), new Set([TOKEN_CANARY])]);
    expect(heard().map((line) => line.slice(0, 4))).toEqual(["INV7", "INV7", "INV7", "INV7", "INV7"]);
  });
});

describe("a gate", () => {
  const crashes: string[] = [];
  const open = (): { readonly gate: ProcessGate; readonly timeline: Timeline } => {
    const timeline = new Timeline();
    return { timeline, gate: new ProcessGate(timeline, (point, side) => void crashes.push(`${side} ${point}`)) };
  };

  test("holds everything back while it is frozen, and lets it in at once and in order", async () => {
    const { gate, timeline } = open();
    const came: string[] = [];
    gate.freeze();
    gate.event("a", 10, () => came.push("a"));
    const cancel = gate.event("b", 20, () => came.push("b"));
    void gate.call("c", 30, 0, () => Promise.resolve("c")).then((value) => came.push(value));
    await timeline.advance(100);
    expect([came, gate.isFrozen]).toEqual([[], true]);
    cancel();
    gate.thaw();
    await timeline.run();
    expect([came, timeline.nowMs, gate.waiting]).toEqual([["a", "c"], 100, 0]);
  });

  test.each<["before" | "after", number]>([
    ["before", 0],
    ["after", 1],
  ])("dies %s the effect of a call, and nobody hears of it", async (side, effects) => {
    const { gate, timeline } = open();
    let done = 0;
    let isTold = false;
    gate.armCrash(2, side, "store");
    gate.event("timer", 0, () => {});
    const commit = (): Promise<void> => {
      done += 1;
      return Promise.resolve();
    };
    void gate.call("store.read", 1, 0, () => Promise.resolve());
    void gate.call("store.commit", 1, 0, commit).then(() => {
      isTold = true;
    });
    gate.event("timer", 5, () => expect.unreachable("a dead process has no timers"));
    await timeline.run();
    expect([done, isTold, gate.isDead, crashes.splice(0)]).toEqual([effects, false, true, [`${side} store.commit`]]);
  });
});
