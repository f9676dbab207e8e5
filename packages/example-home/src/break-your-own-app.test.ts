/** The example of docs/how-to/break-your-own-app.md, against the example home's own server. */
import { createSyncServer, type SyncServer } from "@guardian-sync/server";
import { memoryStorage } from "@guardian-sync/server/memory";
import { TestWorld } from "guardian-sync/testing";
import { afterEach, expect, test } from "vitest";
import { homeEntities, homeOperations, updateDeviceState } from "./client.ts";
import { homeCollections, homeOperations as serverOperations } from "./server.ts";

let server: SyncServer;
let world: TestWorld;
afterEach(async () => {
  await world.close();
  await server.close();
});

function begin(seed: number): void {
  server = createSyncServer({
    storage: memoryStorage(),
    collections: homeCollections,
    operations: serverOperations,
    authenticate: () => ({ space: "home", principal: "ada", roles: [] }),
  });
  world = new TestWorld({ seed, backend: { fetch: (request) => server.fetch(request) } });
}

const app = { entities: homeEntities, operations: homeOperations };
const lamp = { type: "CREATE", entityType: "device", entityId: "lamp", payload: { device_type: "lamp", state: { level: 0 } } } as const;

test.each(Array.from({ length: 12 }, (_, seed) => seed))(
  "Q1 Q2 X1 a dimmer that is turned while everything breaks, seed %i",
  async (seed) => {
    begin(seed);
    const luck = world.random.fork("my own");
    world.faults = { answerLost: 0.2, resetAfter: 0.1, gatewayError: 0.1, duplicate: 0.2, duplicateDelayMs: [0, 5000] };
    let phone = await world.process(app);
    await world.run(phone.engine.enqueue(lamp));
    let stored = 0;
    for (let level = 1; level <= 10; level++) {
      if (phone.isDead) phone = await world.process(app);
      if (luck.chance(0.3)) phone.crash({ nth: luck.integer(1, 30), side: luck.pick(["before", "after"] as const) });
      const operation = phone.engine.run(updateDeviceState, { device_id: "lamp", state: { level } });
      operation.stored.then(
        () => {
          stored = level;
        },
        () => undefined,
      );
      await world.advance(luck.between(0, 20_000));
    }
    world.faults = {};
    phone.kill();
    phone = await world.process(app);
    expect(await world.drain(phone.engine)).toEqual({ empty: true });
    const status = await world.run(phone.engine.status());
    expect(status).toMatchObject({ conserved: true, pending: 0, failed: 0 });
    const { data } = (await (await server.fetch(new Request("https://home.test/api/v1/devices/lamp"))).json()) as {
      readonly data: { readonly state: { readonly level: number }; readonly version: number };
    };
    // What was on disk has had its effect, in order; what was not may have been written all the same.
    expect(data.state.level).toBeGreaterThanOrEqual(stored);
    expect(data.version).toBe(status.succeeded);
  },
);
