/// <reference lib="dom" />
import type { AccountTag, EntityRow, EntityTag, LaneRow, LockRow, PackRow } from "../ports/index.ts";
import { ONLY, type PackRecord } from "./indexeddb-layout.ts";
import { answer, scan, startingWith, trimmed } from "./indexeddb-requests.ts";

/** The small tables: lanes, entities, packs, the lock. */

/** Few entities are held at a time: all lanes are one request, and each of a batch's is one of its own. */
const FEW_LANES = 32;

export async function readLanes(
  tx: IDBTransaction,
  account: AccountTag,
  lanes: readonly (EntityTag | "")[] | undefined,
): Promise<LaneRow[]> {
  const store = tx.objectStore("lanes");
  const own = startingWith(account);
  if (lanes === undefined) return answer(store.getAll(own) as IDBRequest<LaneRow[]>);
  if (lanes.length > 1) {
    const first = await answer(store.getAll(own, FEW_LANES) as IDBRequest<LaneRow[]>);
    const wanted = new Set(lanes);
    if (first.length < FEW_LANES) return first.filter(({ lane }) => wanted.has(lane));
  }
  return each<LaneRow>(store, lanes, (lane) => [account, lane]);
}

export function putEntity(tx: IDBTransaction, row: EntityRow): void {
  tx.objectStore("entities").put({ ...row, body: row.body === null ? null : trimmed(row.body) } satisfies EntityRow);
}
export function readEntities(tx: IDBTransaction, account: AccountTag, tags: readonly EntityTag[]): Promise<EntityRow[]> {
  return each<EntityRow>(tx.objectStore("entities"), tags, (tag) => [account, tag]);
}
export function listEntities(tx: IDBTransaction, account: AccountTag, after: EntityTag | "", limit: number): Promise<EntityRow[]> {
  const range = IDBKeyRange.bound([account, after], [account, []], true);
  return scan<EntityRow>(tx.objectStore("entities"), ({ entityTag }) => [account, entityTag], { range, limit });
}

// Body and what is alive of it stand apart: releasing a part must not rewrite all of the sealed bytes.
export function putPack(tx: IDBTransaction, { packId, live, body }: PackRow): void {
  tx.objectStore("packs").put({ packId, body: trimmed(body) } satisfies PackRecord);
  tx.objectStore("pack_lives").put(live, packId);
}
export async function releasePack(tx: IDBTransaction, packId: string, count: number): Promise<void> {
  const lives = tx.objectStore("pack_lives");
  const live = await answer(lives.get(packId) as IDBRequest<number | undefined>);
  if (live === undefined) return;
  if (live > count) {
    lives.put(live - count, packId);
    return;
  }
  lives.delete(packId);
  tx.objectStore("packs").delete(packId);
}
export async function readPacks(tx: IDBTransaction, packIds: readonly string[]): Promise<PackRow[]> {
  const [packs, lives] = await Promise.all([
    each<PackRecord>(tx.objectStore("packs"), packIds, (packId) => packId),
    each<number>(tx.objectStore("pack_lives"), packIds, (packId) => packId),
  ]);
  return packs.map(({ packId, body }, i) => ({ packId, live: lives[i] ?? 0, body }));
}

export function readLock(tx: IDBTransaction): Promise<LockRow | undefined> {
  return answer(tx.objectStore("processing_lock").get(ONLY) as IDBRequest<LockRow | undefined>);
}
export function putLock(tx: IDBTransaction, row: LockRow): void {
  tx.objectStore("processing_lock").put({ ...row }, ONLY);
}

/** The records of those keys that there are, each once. */
async function each<T>(store: IDBObjectStore, names: readonly string[], keyOf: (name: string) => IDBValidKey): Promise<T[]> {
  const looks = [...new Set(names)].map((name) => answer(store.get(keyOf(name)) as IDBRequest<T | undefined>));
  return (await Promise.all(looks)).filter((row) => row !== undefined) as T[];
}
