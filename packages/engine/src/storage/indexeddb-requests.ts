/// <reference lib="dom" />

/** What a request answers. Never await anything else while its transaction is open: the browser would commit what is there. */
export function answer<T>(request: IDBRequest<T>): Promise<T> {
  const promise = new Promise<T>((resolve, reject) => {
    request.onsuccess = (): void => resolve(request.result);
    request.onerror = (): void => reject(request.error);
  });
  // An aborted transaction also rejects what nobody waits for any more.
  promise.catch(() => undefined);
  return promise;
}

/** The keys that begin with `prefix`: no array sorts behind an array of something else. */
export function startingWith(...prefix: IDBValidKey[]): IDBKeyRange {
  return IDBKeyRange.bound(prefix, [...prefix, []]);
}

/** As much as IndexedDB takes for one; 0 would mean everything. */
export function countOf(limit: number): number {
  return Math.min(limit, 2 ** 32 - 1);
}

export interface Scan<T> {
  readonly range: IDBKeyRange;
  readonly limit: number;
  /** Left out: everything in the range. */
  readonly matches?: (row: T) => boolean;
}

/** What does not match is read, too: in pieces, so that little of it is in memory at once. */
const PIECE = 256;

/** Rows in order of their key, until `limit` of them match. Keys must be unique in the index, `keyOf` the key of a row there. */
export async function scan<T>(
  source: IDBObjectStore | IDBIndex,
  keyOf: (row: T) => IDBValidKey,
  { range, limit, matches }: Scan<T>,
): Promise<T[]> {
  if (limit <= 0) return [];
  if (matches === undefined) return answer(source.getAll(range, countOf(limit)) as IDBRequest<T[]>);
  const taken: T[] = [];
  for (let rest = range; ; ) {
    const piece = await answer(source.getAll(rest, PIECE) as IDBRequest<T[]>);
    for (const row of piece) if (taken.length < limit && matches(row)) taken.push(row);
    const last = piece.at(-1);
    if (last === undefined || piece.length < PIECE || taken.length >= limit) return taken;
    const from = keyOf(last);
    if (indexedDB.cmp(from, rest.upper) >= 0) return taken;
    rest = IDBKeyRange.bound(from, rest.upper, true, rest.upperOpen);
  }
}

/** Records of ranges that may contain what lies between two points: see `levelOf`. The index is by account, level and begin. */
export async function atEachLevel<T>(index: IDBIndex, account: string, from: number, to: number): Promise<T[]> {
  if (to < from) return [];
  // Most are short: to look at the levels above those that there are would be most of the requests.
  const last = await answer(index.openKeyCursor(startingWith(account), "prev"));
  const levels = last === null ? 0 : (last.key as [string, number])[1] + 1;
  const looks = Array.from({ length: levels }, (_, level) => {
    const range = IDBKeyRange.bound([account, level, from - 16 ** level], [account, level, to], true);
    return answer(index.getAll(range) as IDBRequest<T[]>);
  });
  return (await Promise.all(looks)).flat();
}

/** A typed array that is part of a larger buffer would take all of that buffer into the database. */
export function trimmed(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}
