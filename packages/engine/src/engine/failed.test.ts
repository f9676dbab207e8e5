import { afterEach, beforeEach, expect, test } from "vitest";
import { refused } from "../testing/scripted-transport.ts";
import { tappedStore } from "../testing/tapped-store.ts";
import { TestWorld } from "../testing/test-world.ts";
import type { SyncEngine } from "./sync-engine.ts";

const OPS = "/api/v1/sync/ops";

let world = new TestWorld();
let isSlow = false;
beforeEach(() => {
  world = new TestWorld();
  isSlow = false;
});
afterEach(() => world.close());

/** An engine with one failed operation, on a disk whose commits can be made to take their time. */
async function withOneFailed(): Promise<{ engine: SyncEngine; id: string }> {
  const wait = (): Promise<void> => (isSlow ? new Promise((resolve) => void world.timeline.after(50, resolve)) : Promise.resolve());
  const engine = await world.engine({ store: tappedStore(world.store, { commit: wait }) });
  world.transport.next(OPS, refused(422, "VALIDATION_ERROR"));
  const [operation] = await world.enqueue(engine, ["CREATE d1"]);
  await world.advance(10_000);
  expect(await engine.status()).toMatchObject({ failed: 1, pending: 0 });
  isSlow = true;
  return { engine, id: operation?.id ?? "" };
}

test("Q6 a retry is sent at once, also when the disk takes its time (simulator seed 968)", async () => {
  const { engine, id } = await withOneFailed();
  expect(await world.run(engine.failed.retry({ ids: [id] }))).toBe(1);
  await world.advance(2000);
  expect(await engine.status()).toMatchObject({ state: "idle", pending: 0, sealed: 0, succeeded: 1 });
  expect(world.backend.appliedIds).toEqual(["d1"]);
});

test("Q4 nobody hears of a discard before it is on disk", async () => {
  const { engine, id } = await withOneFailed();
  const heard: number[] = [];
  engine.on("cancelled", () => void heard.push(world.now));
  const startedAt = world.now;
  expect(await world.run(engine.failed.discard({ ids: [id] }))).toBe(1);
  expect(heard.map((at) => at - startedAt >= 50)).toEqual([true]);
});
