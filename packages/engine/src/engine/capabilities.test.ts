import type { HandshakeResponse } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answered } from "../testing/scripted-transport.ts";
import { TestWorld } from "../testing/test-world.ts";

let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const OPS = "/api/v1/sync/ops";
const HELLO = "/api/v1/sync/handshake";

test("X3 the handshake is made once per process, and names who asks: client, account, protocol", async () => {
  const engine = await world.engine({ backend: { appVersion: "1.2.3" } });
  await world.enqueue(engine, ["UPDATE a"]);
  await world.drain(engine);
  await world.enqueue(engine, ["UPDATE b"]);
  await world.drain(engine);
  const [hello, ...more] = world.transport.to(HELLO);
  expect(more).toEqual([]);
  expect(hello?.json).toMatchObject({
    payload: {
      protocol: { min: 1, max: 1 },
      app_version: "1.2.3",
      client_id: expect.any(String),
      account: { space: "home", principal: "ada" },
    },
  });
  expect(hello?.headers).toMatchObject({ Authorization: "Bearer token-1", "X-App-Version": "1.2.3", "Sync-Fence": "1" });
});

test("X7 its bounds are kept: the smallest of what the server, the app and the protocol allow", async () => {
  world.backend.offers = { batch: { max_operations: 3, max_bytes: 100_000 } };
  const engine = await world.engine({ autoStart: false, batch: { maxOperations: 5 } });
  await world.enqueue(engine, ["UPDATE a", "UPDATE b", "UPDATE c", "UPDATE d"]);
  engine.start();
  await world.drain(engine);
  expect(world.transport.to(OPS)).toHaveLength(2);
});

test("X7 a request that was too large is not made again", async () => {
  const engine = await world.engine({ autoStart: false });
  await world.enqueue(
    engine,
    Array.from({ length: 200 }, (_, n) => `UPDATE d${n}` as const),
  );
  const sizes: number[] = [];
  world.transport.always(OPS, (request) => {
    const { length } = (request.json as { payload: { operations: unknown[] } }).payload.operations;
    sizes.push(length);
    return length > 20 ? answered(413, { error: { code: "PAYLOAD_TOO_LARGE", message: "too large" } }) : world.backend.answer(request);
  });
  engine.start();
  expect(await world.drain(engine)).toEqual({ empty: true });
  expect(sizes.filter((length) => length > 20)).toEqual([50]);
});

describe("a backend that promises less than before", () => {
  const falls: readonly (readonly [string, Partial<HandshakeResponse>, RegExp])[] = [
    ["honours no keys", { idempotency: { honoured: false, replay_window_s: 0, key_window_s: 0 } }, /level 4 became 1/],
    [
      "remembers keys for less time",
      { idempotency: { honoured: true, replay_window_s: 60, key_window_s: 60 } },
      /keys are remembered for 60 s/,
    ],
    ["cannot cancel any more", { cancel: false }, /keys can no longer be cancelled/],
    ["has lost its feed", { feed: { changes: false, snapshot: false, max_wait_s: 0 } }, /level 4 became 2; the change feed is gone/],
    ["speaks another protocol", { protocol: { min: 2, max: 3 } }, /level 4 became 3/],
  ];

  test.each(falls)("X3 %s: paused, nothing is sent, nothing is lost", async (_title, offers, why) => {
    const engine = await world.engine();
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    await world.run(engine.close());
    const before = world.transport.to(OPS).length;
    world.backend.offers = offers;
    const again = await world.engine();
    const alerts: string[] = [];
    again.on("alert", ({ message }) => alerts.push(message));
    await world.enqueue(again, ["UPDATE b"]);
    expect(await world.drain(again)).toEqual({ empty: false, reason: "backend_changed" });
    expect(alerts).toEqual([expect.stringMatching(why)]);
    expect(world.transport.to(OPS)).toHaveLength(before);
    expect(await again.status()).toMatchObject({ pending: 1, paused: { by: "engine" }, lock: null });
  });

  test("X3 a restart does not accept it in silence; a person may", async () => {
    const engine = await world.engine();
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    await world.run(engine.close());
    world.backend.offers = { cancel: false };
    for (let i = 0; i < 3; i++) {
      const again = await world.engine();
      await world.enqueue(again, [`UPDATE b${i}`]);
      expect(await world.drain(again)).toEqual({ empty: false, reason: "backend_changed" });
      await world.run(again.close());
    }
    const last = await world.engine();
    await world.drain(last);
    await world.run(last.resume());
    expect(await world.drain(last)).toEqual({ empty: true });
    expect(world.backend.appliedIds).toEqual(["a", "b0", "b1", "b2"]);
    await world.run(last.close());
    // What was accepted is what counts from then on.
    const after = await world.engine();
    await world.enqueue(after, ["UPDATE c"]);
    expect(await world.drain(after)).toEqual({ empty: true });
  });

  test("X3 the sync face itself is gone: noticed, paused", async () => {
    const engine = await world.engine();
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    world.transport.next(OPS, answered(404, { message: "no such route" }));
    await world.enqueue(engine, ["UPDATE b"]);
    expect(await world.drain(engine)).toEqual({ empty: false, reason: "backend_changed" });
    expect(await engine.status()).toMatchObject({ sealed: 1 });
    // It was a deploy: the person who looks finds everything as it was.
    await world.run(engine.resume());
    expect(await world.drain(engine)).toEqual({ empty: true });
  });

  test("X3 smaller batches are no fall, and more is always welcome", async () => {
    world.backend.offers = { cancel: false, batch: { max_operations: 50, max_bytes: 100_000 } };
    const engine = await world.engine();
    await world.enqueue(engine, ["UPDATE a"]);
    await world.drain(engine);
    await world.run(engine.close());
    world.backend.offers = { batch: { max_operations: 2, max_bytes: 50_000 } };
    const again = await world.engine();
    await world.enqueue(again, ["UPDATE b"]);
    expect(await world.drain(again)).toEqual({ empty: true });
  });
});

test("X8 the offset of the server's clock is measured, kept, and used for what is told to the server", async () => {
  const aheadMs = 3_600_000;
  world.transport.always(HELLO, (request) => {
    world.backend.offers = { server_time: new Date(request.at + aheadMs).toISOString() };
    return world.backend.answer(request);
  });
  const engine = await world.engine();
  await world.enqueue(engine, ["UPDATE a"]);
  await world.drain(engine);
  const [sent] = world.transport.to(OPS);
  const { meta } = sent!.json as { readonly meta: { readonly timestamp: string } };
  expect(Math.abs(Date.parse(meta.timestamp) - (sent!.at + aheadMs))).toBeLessThan(100);
});
