/// <reference lib="dom" />
import type { AccountTag, Counts, ReceiptRow, Seq, StateRow } from "../ports/index.ts";

/** The object stores of a queue database. docs/reference/formats.md says what each record means. */
export const STORES = [
  "tail",
  "meta",
  "keys",
  "accounts",
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

/** What every write changes: its number tells one connection that another one wrote. */
export interface TailRecord {
  readonly nextSeq: Seq;
  readonly writes: number;
}
export const FIRST_TAIL: TailRecord = { nextSeq: 1 as Seq, writes: 0 };

export interface AccountRecord {
  readonly account: AccountTag;
  readonly revision: number;
  readonly counts: Counts;
  /** Greatest id so far, and how far behind their place ids came: see `findSegments`. */
  readonly idHigh: string;
  readonly disorder: number;
}

/** [account, first seq, last seq]: how far a segment reaches is known without reading its body. */
export type SegmentKey = [AccountTag, Seq, Seq];
export interface SegmentRecord {
  readonly account: AccountTag;
  readonly seqFrom: Seq;
  readonly seqTo: Seq;
  readonly segmentId: string;
  readonly idMin: string;
  readonly idMax: string;
  readonly idHigh: string;
  readonly entityTags: string;
  readonly body: Uint8Array;
}

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
    for (const name of ["tail", "meta", "keys", "account_details", "segment_lives", "pack_lives", "processing_lock"] as const) {
      db.createObjectStore(name);
    }
    db.createObjectStore("accounts", { keyPath: "account" });
    db.createObjectStore("segments", { keyPath: ["account", "seqFrom", "seqTo"] }).createIndex("by_id", ["account", "idHigh"]);
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
