import { afterEach, beforeEach, expect, test } from "vitest";
import { failed, refused } from "../testing/scripted-transport.ts";
import { TestWorld } from "../testing/test-world.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const refusal = (type: string, last: string): object => ({
  code: "INVALID_OPERATION",
  message: expect.stringMatching(`^${type} of device: a ${last} of the same entity waits to be sent; .* Nothing was queued\\.$`) as string,
});

test.each([
  ["DELETE", "UPDATE"],
  ["UPDATE", "CREATE"],
  ["CREATE", "CREATE"],
])("X6 Q8 what waits is a %s: a %s behind it is refused where it is made, in one call, too", async (first, then) => {
  const engine = await world.engine({ autoStart: false });
  await expect(world.enqueue(engine, [`${first} a`, `${then} a`])).rejects.toMatchObject(refusal(then, first));
  expect(await engine.status()).toMatchObject({ enqueued: 0 });
  await world.enqueue(engine, [`${first} a`]);
  await expect(world.enqueue(engine, [`${then} a`])).rejects.toMatchObject(refusal(then, first));
  await world.enqueue(engine, [`${then} b`]);
  expect(await engine.status()).toMatchObject({ enqueued: 2 });
});

test("X6 Q8 everything else goes on", async () => {
  const engine = await world.engine({ autoStart: false });
  await world.enqueue(engine, ["CREATE a", "UPDATE a", "UPDATE a", "DELETE a", "CREATE a", "DELETE b", "DELETE b"]);
  expect(await engine.status()).toMatchObject({ enqueued: 7 });
});

test("X6 Q8 what was taken back, refused or applied refuses nothing any more; nor does what could not be stored", async () => {
  const engine = await world.engine({ autoStart: false, coalesce: true });
  const [, gone] = await world.enqueue(engine, ["UPDATE a", "DELETE b"]);
  await world.run(gone!.cancel());
  await world.enqueue(engine, ["UPDATE b"]);
  engine.start();
  expect(await world.drain(engine)).toEqual({ empty: true });
  await world.enqueue(engine, ["CREATE b"]);
  world.backend.judge = ({ type }) => (type === "DELETE" ? { status: 422, outcome: "rejected" } : undefined);
  await world.run(engine.stop());
  // The DELETE is folded into the UPDATE, and fails with it.
  await world.enqueue(engine, ["UPDATE a", "DELETE a"]);
  engine.start();
  await world.drain(engine);
  expect(await engine.failed.list()).toHaveLength(1);
  await world.enqueue(engine, ["UPDATE a"]);
});

test("X6 Q8 what another process has seen to refuses once, and then no more", async () => {
  const writer = await world.engine({ autoStart: false });
  await world.enqueue(writer, ["DELETE a"]);
  const sender = await world.engine();
  expect(await world.drain(sender)).toEqual({ empty: true });
  await expect(world.enqueue(writer, ["UPDATE a"])).rejects.toMatchObject(refusal("UPDATE", "DELETE"));
  await world.advance(10);
  await world.enqueue(writer, ["UPDATE a"]);
});

test("X6 Q8 while a request is without an answer, it waits", async () => {
  const engine = await world.engine();
  world.transport.next(OPS, failed("timeout"), refused(503, "SERVICE_UNAVAILABLE"));
  await world.enqueue(engine, ["DELETE a"]);
  await world.advance(100);
  await expect(world.enqueue(engine, ["UPDATE a"])).rejects.toMatchObject(refusal("UPDATE", "DELETE"));
});

test("X6 Q7 only the last four thousand entities are remembered", async () => {
  const engine = await world.engine({ autoStart: false });
  await world.enqueue(
    engine,
    Array.from({ length: 4097 }, (_, i) => `CREATE d${i}`),
  );
  await world.enqueue(engine, ["CREATE d0"]);
  await expect(world.enqueue(engine, ["CREATE d2"])).rejects.toMatchObject(refusal("CREATE", "CREATE"));
});
