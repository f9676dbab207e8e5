import { readFileSync } from "node:fs";
import type { SubjectId } from "./page.ts";

export type EventName = "one" | "callers" | "many" | "open" | "drain";
export interface BrowserContender {
  readonly id: SubjectId | "bare";
  readonly name: string;
  readonly role: "ours" | "limit" | "peer";
  /** What the disk has when its promise resolves. */
  readonly durability: string;
  /** Why there is no figure. */
  readonly cannot: Partial<Readonly<Record<EventName, string>>>;
  /** Filling it takes long, and a page that ends before its first answer leaves all that waits: the next round finds it there. */
  readonly isFilledOnce?: boolean;
  /** Sends one operation with each request. */
  readonly isOneByOne?: boolean;
}

const { dependencies } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly dependencies: Readonly<Record<string, string>>;
};
const pinned = (name: string): string => `${name} ${dependencies[name]}`;

const STRICT = "strict, when committed";
const RELAXED = "relaxed, when committed";
const none = (why: string, ...events: readonly EventName[]): BrowserContender["cannot"] =>
  Object.fromEntries(events.map((event) => [event, why]));
const STORES_ONLY = none("It has no sender: an app writes its own.", "open", "drain");
const KEEPS_NOTHING = none("It keeps nothing.", "one", "callers", "many", "open");
const LIMIT_OF_STORING = "It is a limit of storing only.";

export const CONTENDERS: readonly BrowserContender[] = [
  { id: "guardian", name: "Guardian Sync, encrypted", role: "ours", durability: STRICT, cannot: {} },
  { id: "guardian-plain", name: "Guardian Sync, plain", role: "ours", durability: STRICT, cannot: {} },
  { id: "rows", name: "IndexedDB, rows", role: "limit", durability: STRICT, cannot: none(LIMIT_OF_STORING, "open", "drain") },
  { id: "segments", name: "IndexedDB, packed", role: "limit", durability: STRICT, cannot: none(LIMIT_OF_STORING, "drain") },
  { id: "bare", name: "fetch alone, sends 50 each", role: "limit", durability: "none", cannot: KEEPS_NOTHING },
  {
    id: "tanstack",
    name: `${pinned("@tanstack/offline-transactions")}, sends 1 each`,
    role: "peer",
    durability: "relaxed, before the commit",
    cannot: {},
    isFilledOnce: true,
    isOneByOne: true,
  },
  { id: "dexie", name: pinned("dexie"), role: "peer", durability: RELAXED, cannot: STORES_ONLY },
  { id: "dexie-strict", name: `${pinned("dexie")}, set to strict`, role: "peer", durability: STRICT, cannot: STORES_ONLY },
  { id: "rxdb", name: `${pinned("rxdb")} on Dexie, sends 100 each`, role: "peer", durability: RELAXED, cannot: {} },
  { id: "pouchdb", name: `${pinned("pouchdb-browser")}, sends 100 each`, role: "peer", durability: RELAXED, cannot: {} },
  {
    id: "workbox",
    name: `${pinned("workbox-background-sync")}, sends 1 each`,
    role: "peer",
    durability: RELAXED,
    cannot: {},
    isFilledOnce: true,
    isOneByOne: true,
  },
];
