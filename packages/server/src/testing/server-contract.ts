import { contentCases } from "./content-cases.ts";
import { feedCases } from "./feed-cases.ts";
import { ledgerCases } from "./ledger-cases.ts";
import { orderCases } from "./order-cases.ts";
import { restCases } from "./rest-cases.ts";
import type { ContractCase, OpenStorage } from "./storage-contract.ts";

/** What the server promises on any storage that fulfils `storageContract`; run both. */
export const serverContract: readonly ContractCase<OpenStorage>[] = [
  ...ledgerCases,
  ...orderCases,
  ...contentCases,
  ...feedCases,
  ...restCases,
];
