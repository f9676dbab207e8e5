/// <reference lib="dom" />
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { commands } from "vitest/browser";
import {
  encodeReceipts,
  hexOf,
  openJson,
  openSealed,
  packSealed,
  parseContent,
  parseHex,
  type Receipt,
  sealJson,
} from "../format/index.ts";
import type { AccountTag, OpenedStore, Seq } from "../ports/index.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { ann, at, bob, change, linesOf, lockRow, state, STOPPED_CLOCK, tagOf } from "../testing/store-contract-world.ts";
import { indexedDbStore } from "./indexeddb.ts";
import { newName, openRaw, worldOf } from "./indexeddb.test.support.ts";

interface GoldenStore {
  readonly keyPath: string | string[] | null;
  readonly autoIncrement: boolean;
  readonly indexes: { readonly [name: string]: string | string[] };
  /** Key and value; bytes as `{ hex }`. */
  readonly records: readonly (readonly [IDBValidKey, unknown])[];
}
interface Golden {
  readonly version: number;
  readonly stores: { readonly [name: string]: GoldenStore };
}

const KEY = Uint8Array.from({ length: 32 }, (_, index) => index);
const PACK = "00000000-0000-4000-8000-0000000000aa";
const TEXTS = ['{"key":"k1"}', "two\nlines"];
const DETAIL = { lastError: "VALIDATION_ERROR 422 no", code: "VALIDATION_ERROR", current: { version: 7, data: { name: "Küche" } } };
const RECEIPT: Receipt = { seq: 1, id: "i1", key: "k1", outcome: "applied", version: 3, commitSeq: 9, settledAt: 1000 };

let golden: Golden;
beforeAll(async () => {
  golden = JSON.parse(await commands.readFile("packages/engine/vectors/format-1/indexeddb.json")) as Golden;
});
afterEach(() => vi.restoreAllMocks());

function open(name: string): Promise<OpenedStore> {
  return indexedDbStore({ name, encryption: { key: KEY } }).open({ clock: STOPPED_CLOCK, random: new SeededRandom("golden") });
}
/** Nonces that count: the same bytes in every run. */
function fixNonces(): void {
  let count = 0;
  vi.spyOn(crypto, "getRandomValues").mockImplementation((array) => {
    count += 1;
    (array as unknown as Uint8Array).fill(0).set([count]);
    return array;
  });
}

describe("format 1 in IndexedDB", () => {
  it("is written as it was at the release, to the byte", async () => {
    fixNonces();
    const name = newName();
    const opened = await open(name);
    await fill(opened);
    await opened.store.close();
    vi.restoreAllMocks();
    expect(await contentsOf(name)).toEqual(golden);
  });

  it("Q1 is read as it was written then: operations, states, packs, documents, receipts, the lock", async () => {
    const name = newName();
    await restore(name, golden);
    const opened = await open(name);
    const { store, keys } = opened;
    const [account, other] = [ann(opened), bob(opened)];
    const contents = async (of: AccountTag): Promise<readonly unknown[]> => {
      const rows = await store.readSegments(of, at(1), 100);
      const lines = (await Promise.all(rows.map((row) => linesOf(opened, row)))).flat();
      return lines.map((line) => parseContent(line)).map(({ type, entityId, payload }) => [type, entityId, payload]);
    };
    expect(await contents(account)).toEqual([
      ["UPDATE", "entity-0", { name: "name 901" }],
      ["UPDATE", "entity-1", { name: "name 818" }],
      ["UPDATE", "entity-2", { name: "name 331" }],
      ["UPDATE", "entity-0", { name: "name 303" }],
    ]);
    expect(await contents(other)).toEqual([["UPDATE", "entity-0", { name: "name 91" }]]);
    expect((await store.readAccount(account))?.counts).toMatchObject({ enqueued: 5, pending: 1, sealed: 1, failed: 1, succeeded: 2 });
    const [failed, sealed] = await store.readStates({ account, limit: 10 });
    expect(await openJson(keys, store.storeId, { table: "states", id: "2", field: "detail" }, failed?.detail as Uint8Array)).toEqual(
      DETAIL,
    );
    expect(sealed).toMatchObject({ seq: 3, phase: "sealed", packId: PACK, packIndex: 1, opNumber: 5 });
    const [pack] = await store.readPacks([PACK]);
    expect(pack && (await openSealed(keys, store.storeId, pack))).toEqual(TEXTS);
    expect(await store.readLanes(account)).toMatchObject([{ lane: "", head: 4 }, { blockedBy: 2 }]);
    expect(await store.readEntities(account, [tagOf(opened, account, "entity-0")])).toMatchObject([
      { version: 7, lastSeq: 1, chainFrom: 6 },
    ]);
    const [receipts] = await store.readReceipts(account, { id: "i1" });
    expect(await openJson(keys, store.storeId, { table: "receipts", id: "1-1", field: "body" }, receipts?.body as Uint8Array)).toEqual([
      RECEIPT,
    ]);
    expect(await store.readLock()).toEqual(lockRow());
    expect(await store.readMeta("note")).toEqual(new Uint8Array([1, 2, 3]));
    // What comes next stands behind it.
    expect(await store.append([await worldOf(opened).segment(opened, account)])).toEqual([7]);
    await store.close();
  });
});

/** A bit of everything that a queue holds. */
async function fill(opened: OpenedStore): Promise<void> {
  const { store, keys } = opened;
  const world = worldOf(opened);
  const account = ann(opened);
  const seal = (table: string, id: string, field: string, value: unknown): Promise<Uint8Array> =>
    Promise.resolve(sealJson(keys, store.storeId, { table, id, field }, value as never));
  await store.append([await world.segment(opened, account)]);
  await store.append([await world.segment(opened, account, 4)]);
  await store.append([await world.segment(opened, bob(opened))]);
  const entity = tagOf(opened, account, "entity-0");
  await change(store, account, {
    putAccountDetail: await seal("accounts", account, "detail", { space: "home", principal: "ann", clientId: "c", nextOpNumber: 6 }),
    putStates: [
      state(opened, account, 2, { phase: "failed", attempts: 5, backoffMs: 30_000.5, detail: await seal("states", "2", "detail", DETAIL) }),
      state(opened, account, 3, { phase: "sealed", packId: PACK, packIndex: 1, opNumber: 5, firstSendAt: 900 }),
      state(opened, account, 4, { phase: "blocked", blockedBy: 2 as Seq, dueAt: 2000 }),
    ],
    settleContent: [
      { from: at(1), to: at(1) },
      { from: at(5), to: at(5) },
    ],
    putPacks: [{ ...(await packSealed(keys, store.storeId, PACK, TEXTS)), live: 1 }],
    putLanes: [
      { account, lane: "", head: at(4), dueAt: 0, failures: 2, blockedBy: 0 },
      { account, lane: entity, head: at(2), dueAt: 0, failures: 0, blockedBy: at(2) },
    ],
    putEntities: [
      {
        account,
        entityTag: entity,
        version: 7,
        lastSeq: at(1),
        chainFrom: 6,
        body: await seal("entities", entity, "body", { t: "device", i: "entity-0", v: 7, d: { name: "Küche" }, e: 1 }),
      },
    ],
    putReceipts: [
      {
        account,
        seqMin: at(1),
        seqMax: at(1),
        idMin: RECEIPT.id,
        idMax: RECEIPT.id,
        settledAt: RECEIPT.settledAt,
        body: await seal("receipts", "1-1", "body", encodeReceipts([RECEIPT])),
      },
    ],
    putMeta: [{ key: "note", value: new Uint8Array([1, 2, 3]) }],
    count: { pending: -4, sealed: 1, failed: 1, succeeded: 2 },
  });
  await store.writeLock(null, lockRow());
}

/** Every object store with what is in it. */
async function contentsOf(name: string): Promise<Golden> {
  const db = await openRaw(name);
  const tx = db.transaction(Array.from(db.objectStoreNames));
  const stores: Record<string, GoldenStore> = {};
  for (const storeName of Array.from(db.objectStoreNames)) {
    const store = tx.objectStore(storeName);
    const [keys, values] = await Promise.all([answer(store.getAllKeys()), answer(store.getAll() as IDBRequest<unknown[]>)]);
    stores[storeName] = {
      keyPath: store.keyPath,
      autoIncrement: store.autoIncrement,
      indexes: Object.fromEntries(Array.from(store.indexNames, (index) => [index, store.index(index).keyPath])),
      records: keys.map((key, index) => [key, plain(values[index])] as const),
    };
  }
  const { version } = db;
  db.close();
  return { version, stores };
}

async function restore(name: string, { version, stores }: Golden): Promise<void> {
  const db = await openRaw(name, version, (fresh) => {
    for (const [storeName, { keyPath, autoIncrement, indexes }] of Object.entries(stores)) {
      const store = fresh.createObjectStore(storeName, { keyPath, autoIncrement });
      for (const [index, path] of Object.entries(indexes)) store.createIndex(index, path);
    }
  });
  const tx = db.transaction(Object.keys(stores), "readwrite");
  for (const [storeName, { keyPath, records }] of Object.entries(stores)) {
    for (const [key, value] of records) tx.objectStore(storeName).put(unplain(value), keyPath === null ? key : undefined);
  }
  await new Promise((resolve) => {
    tx.oncomplete = resolve;
  });
  db.close();
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = (): void => resolve(request.result);
    request.onerror = (): void => reject(request.error);
  });
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { hex: hexOf(value) };
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([field, member]) => [field, plain(member)]));
}
function unplain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { hex } = value as { readonly hex?: string };
  if (hex !== undefined) return parseHex(hex);
  return Object.fromEntries(Object.entries(value).map(([field, member]) => [field, unplain(member)]));
}
