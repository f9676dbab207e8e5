export { ManualTimer } from "./manual-timer.ts";
export { seededRandom } from "./seeded-random.ts";
export { serverContract } from "./server-contract.ts";
export { type ContractCase, type OpenStorage, storageContract } from "./storage-contract.ts";
