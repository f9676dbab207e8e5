/// <reference lib="dom" />
import type { AccountTag, Seq, SeqRange, StateRow, StatesQuery } from "../ports/index.ts";
import type { StateIndex, StateRecord } from "./indexeddb-layout.ts";
import { answer, scan, trimmed } from "./indexeddb-requests.ts";
import { seqRuns } from "./seq-runs.ts";

const LAST = Number.MAX_SAFE_INTEGER;
/** Reading a record that nobody asked for costs a tenth of another request. */
const READ_OVER = 8;

export function putState(tx: IDBTransaction, { blockedBy, detail, ...row }: StateRow): void {
  const own = detail === null ? null : trimmed(detail);
  const record: StateRecord = { ...row, detail: own, ...(blockedBy > 0 ? { blockedBy: blockedBy as Seq } : {}) };
  tx.objectStore("states").put(record);
}

export function dropStates(tx: IDBTransaction, account: AccountTag, seqs: readonly Seq[]): void {
  for (const run of seqRuns(seqs)) tx.objectStore("states").delete(within(account, run));
}

function within(account: AccountTag, { from, to }: SeqRange): IDBKeyRange {
  return IDBKeyRange.bound([account, from], [account, to]);
}

export async function readStates(tx: IDBTransaction, query: StatesQuery): Promise<StateRow[]> {
  const found = query.seqs === undefined ? await look(tx, query) : await pick(tx, query, query.seqs);
  return found
    .sort((a, b) => a.seq - b.seq)
    .slice(0, Math.max(0, query.limit))
    .map(({ blockedBy, ...row }) => ({ ...row, blockedBy: blockedBy ?? 0 }));
}

async function pick(tx: IDBTransaction, query: StatesQuery, seqs: readonly Seq[]): Promise<StateRecord[]> {
  const { account, after = 0, upTo = LAST } = query;
  const wanted = new Set(seqs.filter((seq) => seq > after && seq <= upTo));
  const states = tx.objectStore("states");
  const runs = seqRuns([...wanted], READ_OVER);
  const found = await Promise.all(runs.map((run) => answer(states.getAll(within(account, run)) as IDBRequest<StateRecord[]>)));
  return found.flat().filter((record) => wanted.has(record.seq) && isWanted(query, record));
}

/** Where the records of a query lie together, in order of seq. */
interface Place {
  readonly index?: StateIndex;
  readonly prefix: readonly (string | number)[];
  /** The part of the query that the place answers by itself. */
  readonly answers: "blockedBy" | "entityTag" | "phases" | "account";
}

function placesOf({ account, blockedBy, entityTag, phases }: StatesQuery): readonly Place[] {
  if (blockedBy !== undefined && blockedBy > 0) return [{ index: "by_blocker", prefix: [account, blockedBy], answers: "blockedBy" }];
  if (entityTag !== undefined) return [{ index: "by_entity", prefix: [account, entityTag], answers: "entityTag" }];
  // One look per phase: the index gives an order by seq within one of them only.
  if (phases !== undefined)
    return [...new Set(phases)].map((phase) => ({ index: "by_phase", prefix: [account, phase], answers: "phases" }));
  return [{ prefix: [account], answers: "account" }];
}

async function look(tx: IDBTransaction, query: StatesQuery): Promise<StateRecord[]> {
  const { after = 0, upTo = LAST, limit } = query;
  const states = tx.objectStore("states");
  const looks = placesOf(query).map(({ index, prefix, answers }) => {
    const isAnswered = (["blockedBy", "entityTag", "phases"] as const).every((part) => query[part] === undefined || part === answers);
    return scan<StateRecord>(index === undefined ? states : states.index(index), ({ seq }) => [...prefix, seq], {
      range: IDBKeyRange.bound([...prefix, after + 1], [...prefix, Math.max(after + 1, upTo)]),
      limit: upTo > after ? limit : 0,
      ...(isAnswered ? {} : { matches: (record: StateRecord) => isWanted(query, record) }),
    });
  });
  return (await Promise.all(looks)).flat();
}

function isWanted({ phases, blockedBy, entityTag }: StatesQuery, record: StateRecord): boolean {
  return (
    (phases === undefined || phases.includes(record.phase)) &&
    (blockedBy === undefined || (record.blockedBy ?? 0) === blockedBy) &&
    (entityTag === undefined || record.entityTag === entityTag)
  );
}
