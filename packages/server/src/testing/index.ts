export { type ContractCase, type OpenStorage, storageContract } from "./storage-contract.ts";
