import { expect, test } from "vitest";
import { memoryStorage } from "../storage/memory.ts";
import { fields } from "../testing/contract-world.ts";
import type { SyncServerOptions } from "./options.ts";
import { createSyncServer } from "./server.ts";

const good: SyncServerOptions = {
  storage: memoryStorage(),
  collections: { devices: { entityType: "device", schema: fields({ name: "string" }) } },
  authenticate: () => null,
};
const handler = (): never => {
  throw new Error("not called");
};

test("good options make a server", () => {
  expect(() => createSyncServer(good)).not.toThrow();
});

test.each([
  [{ storage: undefined }, "option storage"],
  [{ storage: {} }, "option storage"],
  [{ collections: undefined }, "option collections"],
  [{ collections: { devices: null } }, "collections.devices"],
  [{ collections: { devices: { entityType: "", schema: good.collections.devices?.schema } } }, "entityType"],
  [{ collections: { devices: { entityType: "device" } } }, "schema"],
  [{ collections: { "De vices": good.collections.devices } }, "De vices"],
  [{ collections: { sync: good.collections.devices } }, "sync"],
  [{ collections: { devices: good.collections.devices, things: good.collections.devices } }, "things"],
  [{ operations: { CREATE: handler } }, "CREATE"],
  [{ operations: { "device.rename": {} } }, "handler"],
  [{ operations: { "device.rename": { handler, route: { method: "POST", path: "/x", entityType: "room" } } } }, "route.entityType"],
  [{ authenticate: undefined }, "option authenticate"],
  [{ authenticate: {} }, "option authenticate"],
  [{ clock: { now: Date.now } }, "option clock"],
  [{ random: 5 }, "option random"],
  [{ sha256: "x" }, "option sha256"],
  [{ logger: {} }, "option logger"],
  [{ metrics: {} }, "option metrics"],
  [{ limits: { maxBodyBytes: 0 } }, "limits.maxBodyBytes"],
  [{ limits: { maxBodyBytes: 2_000_000 } }, "limits.maxBodyBytes"],
  [{ limits: { maxOperations: 501 } }, "limits.maxOperations"],
  [{ limits: { maxWait: 1 } }, "limits"],
  [{ cors: { origins: ["app.example"] } }, "cors.origins"],
  [{ cors: { origins: ["https://app.example/"] } }, "cors.origins"],
  [{ minimumAppVersion: "two" }, "minimumAppVersion"],
  [{ rateLimit: { perPrincipal: 0 } }, "rateLimit.perPrincipal"],
  [{ clockSkew: "ignore" }, "clockSkew"],
  [{ storag: 1 }, "storag"],
])("a wrong option is named: %o", (wrong, named) => {
  const options = { ...good, ...wrong } as unknown as SyncServerOptions;
  expect(() => createSyncServer(options)).toThrow(TypeError);
  expect(() => createSyncServer(options)).toThrow(named);
});
