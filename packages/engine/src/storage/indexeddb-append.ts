/// <reference lib="dom" />
import type { AccountTag, NewSegment, Seq } from "../ports/index.ts";
import { idPoint } from "./id-point.ts";
import { accountRecord, accountTail, countedTail, createAccount, newTail, readTail } from "./indexeddb-accounts.ts";
import type { IdbConnection } from "./indexeddb-connection.ts";
import type { AccountTailRecord, SegmentRecord, StoreName } from "./indexeddb-layout.ts";
import { trimmed } from "./indexeddb-requests.ts";
import { levelOf } from "./range-level.ts";

const STORES: readonly StoreName[] = ["tail", "segments", "accounts", "account_tails", "lanes"];
/** After so many operations that only their segments count, one counts them: whoever reads the counts then counts few. */
const COUNT_EVERY = 64;

/**
 * Writes segments at the end of the queue. One operation of an account that is known to exist, which is what most appends are,
 * is a single request: reading first would be a second trip to the browser's process, as long as the strict commit itself.
 */
export class Appender {
  readonly #db: IdbConnection;
  /** Accounts never go. */
  readonly #accounts = new Set<AccountTag>();
  #uncounted = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(db: IdbConnection) {
    this.#db = db;
  }

  /** One after the other: the order of the calls is the order of the queue. */
  append(segments: readonly NewSegment[]): Promise<readonly Seq[]> {
    const appended = this.#last.then(() => this.#append(segments));
    this.#last = appended.catch(() => undefined);
    return appended;
  }

  async #append(segments: readonly NewSegment[]): Promise<readonly Seq[]> {
    const [only] = segments;
    const isSingle = segments.length === 1 && only?.count === 1;
    if (isSingle && this.#accounts.has(only.account) && this.#uncounted < COUNT_EVERY) {
      this.#uncounted += 1;
      const request = await this.#db.append(["segments"], 1, (tx) => ({ key: tx.objectStore("segments").add(recordOf(only)) }));
      return [request.key.result as Seq];
    }
    const count = segments.reduce((sum, segment) => sum + segment.count, 0);
    const seqs = await this.#db.append(STORES, count, (tx) => appendCounting(tx, segments, isSingle));
    if (isSingle) this.#uncounted = 0;
    for (const { account } of segments) this.#accounts.add(account);
    return seqs;
  }
}

/** `isSingle`: counts everything before it as well. */
async function appendCounting(tx: IDBTransaction, segments: readonly NewSegment[], isSingle: boolean): Promise<Seq[]> {
  const tags = [...new Set(segments.map(({ account }) => account))];
  const [begin, found, read] = await Promise.all([
    readTail(tx),
    Promise.all(tags.map((account) => accountRecord(tx, account))),
    Promise.all(tags.map((account) => accountTail(tx, account))),
  ]);
  const tails = new Map(tags.map((account, i) => [account, read[i] ?? newTail(account)]));
  const missing = new Set(tags.filter((_, i) => found[i] === undefined));
  let nextSeq = begin;
  const seqs: Seq[] = [];
  for (const segment of segments) {
    const { account, count } = segment;
    if (missing.delete(account)) tx.objectStore("accounts").put(createAccount(tx, account, 1, nextSeq));
    seqs.push(nextSeq);
    nextSeq = (nextSeq + count) as Seq;
    tx.objectStore("segments").add({ ...recordOf(segment), seqTo: (nextSeq - 1) as Seq } satisfies SegmentRecord);
    const tail = tails.get(account) ?? newTail(account);
    tails.set(account, { ...tail, total: tail.total + count, packed: tail.packed + 1 });
  }
  for (const tail of tails.values()) tx.objectStore("account_tails").put(tail);
  if (isSingle) for (const account of tags) await countAll(tx, account, nextSeq);
  return seqs;
}

async function countAll(tx: IDBTransaction, account: AccountTag, nextSeq: Seq): Promise<void> {
  const tail: AccountTailRecord = await countedTail(tx, account, await accountTail(tx, account), nextSeq);
  tx.objectStore("account_tails").put(tail);
}

function recordOf(segment: NewSegment): Omit<SegmentRecord, "seqTo"> {
  const { account, count, segmentId, idMin, idMax, entityTags, body } = segment;
  const point = idPoint(idMin);
  return {
    account,
    count,
    segmentId,
    idMin,
    idMax,
    idLevel: levelOf(idPoint(idMax) - point),
    idPoint: point,
    entityTags: entityTags.join(""),
    body: trimmed(body),
  };
}
