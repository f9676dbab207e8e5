/// <reference lib="dom" />
import type { AccountTag, Counts, ReceiptRow, Seq, StateRow } from "../ports/index.ts";

/** The object stores of a queue database. docs/reference/formats.md says what each record means. */
export const STORES = [
  "tail",
  "changes",
  "meta",
  "keys",
  "accounts",
  "account_tails",
  "account_details",
  "segments",
  "segment_lives",
  "states",
  "packs",
  "pack_lives",
  "lanes",
  "entities",
  "receipts",
  "processing_lock",
] as const;
export type StoreName = (typeof STORES)[number];

/** The only key of the stores that hold one record. */
export const ONLY = 1;

export interface AccountRecord {
  readonly account: AccountTag;
  readonly revision: number;
  /** What commits have counted: without the operations that were appended. */
  readonly counts: Counts;
}

/**
 * How many operations an account has appended: `total`, and one for each segment behind `countedTo`, of which `packed` have been
 * counted when they were written. So an append of a single operation has nothing to count.
 */
export interface AccountTailRecord {
  readonly account: AccountTag;
  readonly total: number;
  readonly countedTo: number;
  readonly packed: number;
}

/**
 * Its key is its last seq. For a single operation the browser makes that: an append then is one request that reads nothing, and
 * two tabs cannot get the same seq. More operations are added under a key that the appender has worked out; the browser goes
 * on counting from there.
 */
export interface SegmentRecord {
  readonly seqTo: Seq;
  readonly account: AccountTag;
  readonly count: number;
  readonly segmentId: string;
  readonly idMin: string;
  readonly idMax: string;
  readonly idLevel: number;
  readonly idPoint: number;
  readonly entityTags: string;
  readonly body: Uint8Array;
}
/** Of the index by account: how far a segment reaches is known without reading its body. */
export type SegmentKey = [AccountTag, Seq, number];

/** Without `blockedBy` where it is 0: then the record is not in that index. */
export type StateRecord = Omit<StateRow, "blockedBy"> & { readonly blockedBy?: Seq };
export type StateIndex = "by_phase" | "by_entity" | "by_blocker";

export interface PackRecord {
  readonly packId: string;
  readonly body: Uint8Array;
}

export interface ReceiptRecord extends ReceiptRow {
  readonly receiptNo: number;
  readonly seqLevel: number;
  readonly idLevel: number;
  readonly idPoint: number;
}

/** One step a version, from 1, each in the transaction that opens the database. Never changed once released: added to. */
const MIGRATIONS: readonly ((db: IDBDatabase) => void)[] = [
  (db): void => {
    for (const name of ["tail", "changes", "meta", "keys", "account_details", "segment_lives", "pack_lives", "processing_lock"] as const) {
      db.createObjectStore(name);
    }
    db.createObjectStore("accounts", { keyPath: "account" });
    db.createObjectStore("account_tails", { keyPath: "account" });
    const segments = db.createObjectStore("segments", { keyPath: "seqTo", autoIncrement: true });
    segments.createIndex("by_account", ["account", "seqTo", "count"]);
    segments.createIndex("by_id", ["account", "idLevel", "idPoint"]);
    const states = db.createObjectStore("states", { keyPath: ["account", "seq"] });
    states.createIndex("by_phase", ["account", "phase", "seq"]);
    states.createIndex("by_entity", ["account", "entityTag", "seq"]);
    states.createIndex("by_blocker", ["account", "blockedBy", "seq"]);
    db.createObjectStore("packs", { keyPath: "packId" });
    db.createObjectStore("lanes", { keyPath: ["account", "lane"] });
    db.createObjectStore("entities", { keyPath: ["account", "entityTag"] });
    const receipts = db.createObjectStore("receipts", { keyPath: "receiptNo", autoIncrement: true });
    receipts.createIndex("by_seq", ["account", "seqLevel", "seqMin"]);
    receipts.createIndex("by_id", ["account", "idLevel", "idPoint"]);
    receipts.createIndex("by_age", "settledAt");
  },
];

/** What this version writes, and the newest that it reads: the version of the database. */
export const FORMAT_VERSION: number = MIGRATIONS.length;

export function upgrade(db: IDBDatabase, oldVersion: number): void {
  for (const migration of MIGRATIONS.slice(oldVersion)) migration(db);
}
