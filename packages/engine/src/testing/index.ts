export {
  FaultyTransport,
  type FaultyTransportOptions,
  NO_FAULTS,
  type NetworkFault,
  type NetworkFaults,
  type RangeMs,
} from "./faulty-transport.ts";
export type { Clock, Exchange, HttpRequest, QueueStore, StoreAdapter, Transport } from "../ports/index.ts";
export {
  answered,
  answeredData,
  answeredHtml,
  failed,
  refused,
  type Reply,
  ScriptedTransport,
  type ScriptedTransportOptions,
  type SeenRequest,
  type Where,
} from "./scripted-transport.ts";
export { type CrashSide, ProcessGate } from "./process-gate.ts";
export { SeededRandom } from "./seeded-random.ts";
export {
  SwitchedConnectivity,
  syncHash,
  type TestEngineOptions,
  type TestSession,
  TestWorld,
  type TestWorldOptions,
} from "./test-world.ts";
export { type Judge, operationsIn, PlainRestBackend, TinyBackend } from "./tiny-backend.ts";
export { storeContract, type StoreHarness, type StorePlace, type TestApi } from "./store-contract.ts";
export { type CrashPoint, TestProcess } from "./test-process.ts";
export { Timeline, VirtualClock } from "./virtual-clock.ts";
export { createEngine } from "./create-engine.ts";
export type { EngineOptions, Platform } from "../engine/options.ts";
export type { SyncEngine } from "../engine/sync-engine.ts";
export { accountTag } from "../format/index.ts";
export type { KeyRing } from "../ports/index.ts";
export { DurableQueue } from "../queue/queue.ts";
export { nodeKeyRing } from "../storage/key-ring-node.ts";
