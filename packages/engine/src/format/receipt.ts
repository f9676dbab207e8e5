import { isJsonObject, type Json } from "@guardian-sync/protocol";
import { Fields } from "./fields.ts";
import { unreadable } from "./unreadable.ts";

const RECEIPT_OUTCOMES = ["applied", "noop", "applied_before", "superseded", "cancelled", "expired", "rejected", "failed"] as const;

/** How one operation ended. Outlives it in the queue. */
export interface Receipt {
  readonly seq: number;
  readonly id: string;
  /** The key that it ended under. */
  readonly key: string;
  readonly outcome: (typeof RECEIPT_OUTCOMES)[number];
  readonly code?: string;
  readonly status?: number;
  readonly version?: number;
  readonly commitSeq?: number;
  /** What the backend calls the document that a CREATE made. */
  readonly serverId?: string;
  /** The earlier key that had been applied, for `applied_before`. */
  readonly appliedKey?: string;
  /** Epoch ms. */
  readonly settledAt: number;
}

export function encodeReceipts(receipts: readonly Receipt[]): Json {
  return receipts as unknown as Json;
}

/** @throws SyncError `UNREADABLE` when the value is not a list of receipts. */
export function decodeReceipts(value: Json): readonly Receipt[] {
  if (!Array.isArray(value)) throw unreadable(WHAT);
  for (const item of value) check(item as Json);
  return value as unknown as readonly Receipt[];
}

const WHAT = "A receipt";

function check(value: Json): void {
  if (!isJsonObject(value)) throw unreadable(WHAT);
  const fields = new Fields(value, WHAT);
  fields.number("seq");
  fields.number("settledAt");
  fields.text("id");
  fields.text("key");
  if (!(RECEIPT_OUTCOMES as readonly string[]).includes(fields.text("outcome"))) fields.fail("outcome");
  for (const name of ["status", "version", "commitSeq"]) fields.optional(name, "number");
  for (const name of ["code", "appliedKey", "serverId"]) fields.optional(name, "string");
}
