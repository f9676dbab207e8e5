import type { OperationResult } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { operationsIn } from "../testing/tiny-backend.ts";
import { TestWorld } from "../testing/test-world.ts";
import type { SyncEngine } from "./sync-engine.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const rejected: Omit<OperationResult, "key"> = { status: 422, outcome: "rejected", error: { code: "VALIDATION_ERROR", message: "no" } };
const conflict: Omit<OperationResult, "key"> = { status: 409, outcome: "conflict", error: { code: "CONFLICT", message: "no" } };
/** An engine with these writes, of which the named entities are refused once for each time that they are named. */
async function refusing(words: readonly string[], ids: readonly string[], result = rejected): Promise<SyncEngine> {
  const engine = await world.engine();
  const left = [...ids];
  world.backend.judge = ({ entity_id }) => {
    const index = left.indexOf(entity_id);
    return index < 0 ? undefined : left.splice(index, 1) && result;
  };
  await world.enqueue(engine, words);
  await world.drain(engine);
  return engine;
}
const kept = async (engine: SyncEngine, page?: object): Promise<readonly string[]> =>
  (await engine.failed.list(page)).map(({ state, entityId, code }) => `${state} ${entityId} ${code}`);

describe("retry", () => {
  test("Q6 after a definite refusal: a new key that names the old one, in its place before what waited behind it", async () => {
    const engine = await refusing(["CREATE a", "UPDATE a", "UPDATE b"], ["a"]);
    expect(await kept(engine)).toEqual(["failed a VALIDATION_ERROR"]);
    const [{ id, key: oldKey } = { id: "", key: "" }] = await engine.failed.list();
    expect(await world.run(engine.failed.retry({ ids: [id] }))).toBe(1);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.applied.map(({ type, entity_id }) => `${type} ${entity_id}`)).toEqual(["UPDATE b", "CREATE a", "UPDATE a"]);
    const again = world.backend.applied[1];
    expect(again?.key).not.toBe(oldKey);
    expect(again?.supersedes).toEqual([oldKey]);
    expect(await kept(engine)).toEqual([]);
    expect(await engine.status()).toMatchObject({ succeeded: 3, failed: 0, pending: 0, conserved: true });
  });

  test("Q6 once more refused, it names both", async () => {
    const engine = await refusing(["UPDATE a"], ["a", "a"]);
    const keys = (): readonly string[] => world.transport.to(OPS).flatMap((request) => operationsIn(request).map(({ key }) => key));
    await world.run(engine.failed.retry({ all: true }));
    await world.drain(engine);
    await world.run(engine.failed.retry({ all: true }));
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(keys()).toHaveLength(3);
    expect(world.backend.applied[0]?.supersedes).toEqual(keys().slice(0, 2));
  });

  test("Q6 a selection that names nothing changes nothing, and says so", async () => {
    const engine = await refusing(["UPDATE a"], ["a"]);
    const { failed } = engine;
    for (const call of [() => failed.retry({}), () => failed.archive({}), () => failed.discard({ olderThanMs: 1 })]) {
      await expect(world.run(call())).rejects.toMatchObject({
        code: "INVALID_OPERATION",
        message: expect.stringContaining("Nothing was changed"),
      });
    }
    expect(await world.run(failed.retry({ ids: ["nobody"] }))).toBe(0);
    expect(await world.run(failed.retry({ all: true, olderThanMs: 60_000 }))).toBe(0);
    expect(await kept(engine)).toHaveLength(1);
    await world.advance(60_000);
    expect(await world.run(failed.retry({ all: true, olderThanMs: 60_000 }))).toBe(1);
  });
});

describe("archive and restore", () => {
  test("Q6 what is archived stays, frees its entity, and comes back as what it was", async () => {
    const engine = await refusing(["CREATE a", "UPDATE a"], ["a"]);
    expect(await world.run(engine.failed.archive({ all: true, reason: "later" }))).toBe(1);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await kept(engine)).toEqual([]);
    expect(await engine.failed.list({}, ["archived"])).toMatchObject([{ state: "archived", entityId: "a", code: "VALIDATION_ERROR" }]);
    expect(await engine.status()).toMatchObject({ archived: 1, failed: 0, succeeded: 1, conserved: true });
    expect(await world.run(engine.failed.restore({ all: true }))).toBe(1);
    expect(await kept(engine)).toEqual(["failed a VALIDATION_ERROR"]);
    expect(await engine.status()).toMatchObject({ archived: 0, failed: 1 });
    // It holds its entity again.
    await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(await world.run(engine.failed.retry({ all: true }))).toBe(1);
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("Q6 `clear` archives: clearing a list never destroys what a user wrote", async () => {
    const engine = await refusing(["UPDATE a", "UPDATE b"], ["a", "b"]);
    expect(await world.run(engine.failed.clear({ all: true }))).toBe(2);
    expect(await engine.status()).toMatchObject({ archived: 2, failed: 0, conserved: true });
    expect(await world.run(engine.failed.discard({ all: true }))).toBe(2);
    expect(await engine.status()).toMatchObject({ archived: 0, cancelled: 2, conserved: true });
  });

  test("Q6 X1 one of unknown outcome comes back with its bytes: a retry has the old key", async () => {
    const engine = await world.engine({ backoff: { maxAttempts: 1 } });
    world.backend.knownSince = "2100-01-01T00:00:00.000Z";
    world.transport.next(OPS, "silence");
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    expect(await kept(engine)).toEqual(["parked a OUTCOME_UNKNOWN"]);
    await world.run(engine.failed.archive({ all: true }));
    await world.run(engine.failed.restore({ all: true }));
    expect(await kept(engine)).toEqual(["parked a OUTCOME_UNKNOWN"]);
    world.backend.ledger.clear();
    expect(await world.run(engine.failed.retry({ all: true }))).toBe(1);
    expect(await world.drain(engine)).toEqual({ empty: true });
    const [first, second] = world.transport.to(OPS).map((request) => operationsIn(request)[0]);
    expect(second).toEqual(first);
    expect([...world.disk.packs.values()]).toEqual([]);
  });
});

describe("discard", () => {
  test("Q6 ends for good, with a receipt, and frees what waited behind", async () => {
    const engine = await refusing(["CREATE a", "UPDATE a"], ["a"]);
    const [{ id } = { id: "" }] = await engine.failed.list();
    expect(await world.run(engine.failed.discard({ ids: [id], reason: "a duplicate" }))).toBe(1);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(await engine.status()).toMatchObject({ cancelled: 1, succeeded: 1, failed: 0, conserved: true });
    const operation = await engine.operation(id);
    expect(await operation?.status()).toMatchObject({ state: "cancelled", settled: { verdict: "cancelled" } });
    expect(await world.run(engine.failed.discard({ ids: [id] }))).toBe(0);
  });

  test("Q6 of a conflict, too", async () => {
    const engine = await refusing(["UPDATE a", "UPDATE a"], ["a"], conflict);
    expect(await engine.conflicts.list()).toMatchObject([{ state: "conflict", entityId: "a", code: "CONFLICT" }]);
    expect(await world.run(engine.failed.discard({ all: true }))).toBe(1);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a"]);
  });

  test("Q1 of what cannot be read: counted, listed, and gone with its segment", async () => {
    const engine = await world.engine({ autoStart: false });
    await world.enqueue(engine, ["UPDATE a", "UPDATE b"]);
    await world.enqueue(engine, ["UPDATE a"]);
    world.disk.transaction({ ownWrites: 0 }, () => {
      const [segment] = [...world.disk.segments.from(0)];
      if (segment !== undefined) world.disk.segments.set(segment.seqFrom, { ...segment, body: segment.body.map((byte) => byte ^ 1) });
    });
    engine.start();
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
    expect(await engine.quarantine.list()).toMatchObject([1, 2].map((seq) => ({ seq, state: "quarantined", code: "UNREADABLE" })));
    expect(await engine.status()).toMatchObject({ quarantined: 2, pending: 1, conserved: true });
    expect(await world.run(engine.failed.discard({ all: true }))).toBe(2);
    expect(await world.drain(engine)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a"]);
    expect(await engine.status()).toMatchObject({ quarantined: 0, cancelled: 2, succeeded: 1, conserved: true });
    expect([...world.disk.segments.from(0)]).toEqual([]);
  });
});

describe("many", () => {
  test("Q7 pages: after a seq, at most as many as asked for", async () => {
    const engine = await world.engine({ autoStart: false });
    await world.enqueue(
      engine,
      Array.from({ length: 12 }, (_, i) => `UPDATE d${i}`),
    );
    world.backend.judge = () => rejected;
    engine.start();
    for (let i = 0; i < 4; i++) {
      await world.drain(engine);
      await world.run(engine.resume());
    }
    expect(await engine.failed.list()).toHaveLength(12);
    const seqs = async (page: object): Promise<readonly number[]> => (await engine.failed.list(page)).map(({ seq }) => seq);
    expect(await seqs({ limit: 3 })).toEqual([1, 2, 3]);
    expect(await seqs({ after: 3, limit: 3 })).toEqual([4, 5, 6]);
    expect(await seqs({ after: 11, limit: 1000 })).toEqual([12]);
    expect(await world.run(engine.failed.archive({ all: true }))).toBe(12);
  });

  test.each(["retry", "archive", "discard"] as const)(
    "Q1 Q2 %s lets more than 500 go that were blocked behind one, all of them, in order",
    async (decision) => {
      const engine = await world.engine({ batch: { maxOperations: 500 } });
      let isFirst = true;
      world.backend.judge = () => {
        const was = isFirst;
        isFirst = false;
        return was ? rejected : undefined;
      };
      await world.enqueue(engine, ["CREATE a", ...Array.from({ length: 1300 }, () => "UPDATE a")]);
      expect(await world.drain(engine)).toEqual({ empty: false, reason: "blocked" });
      expect(await engine.status()).toMatchObject({ pending: 1300, failed: 1 });
      await world.run(engine.failed[decision]({ all: true }));
      expect(await world.drain(engine)).toEqual({ empty: true });
      const order = world.backend.applied.map(({ operation_id }) => operation_id);
      expect(order).toHaveLength(decision === "retry" ? 1301 : 1300);
      expect(order).toEqual(order.toSorted());
      expect(await engine.status()).toMatchObject({ pending: 0, conserved: true });
      expect([...world.disk.lanes.values()].filter(({ blockedBy }) => blockedBy !== 0)).toEqual([]);
    },
    30_000,
  );

  test("Q4 a crash in the middle of letting them go is made good at the next start", async () => {
    const engine = await refusing(["CREATE a", "UPDATE a", "UPDATE a"], ["a"]);
    const lanes = [...world.disk.lanes.values()].filter(({ blockedBy }) => blockedBy === 1);
    await world.run(engine.stop());
    await world.run(engine.failed.discard({ all: true }));
    // As if the process had died before the rest was let go: the hold stands, its holder is gone.
    world.disk.transaction({ ownWrites: 0 }, () => {
      for (const lane of lanes) world.disk.lanes.set(`${lane.account} ${lane.lane}`, lane);
      for (const row of Array.from(world.disk.states.from(0)))
        world.disk.states.set(row.seq, { ...row, phase: "blocked", blockedBy: 1 as never });
    });
    await world.run(engine.close());
    const again = await world.engine();
    expect(await world.drain(again)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "a"]);
  });
});
