import { counterOf, stateOf } from "../core/lifecycle.ts";
import { holdsEntity } from "../core/holds-entity.ts";
import {
  COUNTERS,
  type AccountTag,
  type Counter,
  type Counts,
  type EntityTag,
  type LaneRow,
  type SegmentRow,
  type Seq,
  type StateRow,
} from "../ports/index.ts";
import type { AccountView } from "./account-view.ts";
import type { DurableQueue } from "./queue.ts";

export interface RebuildReport {
  /** false: the index was right. */
  readonly changed: boolean;
  /** What differed, in words without content. */
  readonly differences: readonly string[];
  readonly operations: number;
}

const PAGE = 500;
const MAX_MEETINGS = 20;

/** Recomputes lanes and counts from segments and state rows, in bounded memory but for one entry per held entity. */
export function rebuildIndex(queue: DurableQueue, account: AccountTag): Promise<RebuildReport> {
  return compare(queue, account, true);
}

/** What `rebuildIndex` would report; nothing is written. */
export function verifyIndex(queue: DurableQueue, account: AccountTag): Promise<RebuildReport> {
  return compare(queue, account, false);
}

async function compare(queue: DurableQueue, account: AccountTag, isRepair: boolean): Promise<RebuildReport> {
  const { store } = queue.opened;
  for (let meeting = 0; meeting < MAX_MEETINGS; meeting++) {
    const looked = await queue.frozen((frozen) => look(frozen, account));
    if (looked === undefined) continue;
    const { revision, counts, before, lanes, found, differences } = looked;
    if (differences.length === 0 || !isRepair) return { changed: false, differences, operations: found.operations };
    const kept = new Set<string>(lanes.map(({ lane }) => lane));
    const result = await store.commit({
      account,
      expectRevision: revision,
      putLanes: lanes,
      dropLanes: before.flatMap(({ lane }) => (kept.has(lane) ? [] : [lane])),
      // By how much they are wrong: an append does not change the revision, and what it has counted by now must stay counted.
      count: Object.fromEntries(COUNTERS.map((counter) => [counter, found.counts[counter] - counts[counter]])),
    });
    if (result.ok) return { changed: true, differences, operations: found.operations };
  }
  return { changed: false, differences: ["the queue changed all the time; stop its processor, then try again"], operations: 0 };
}

interface Looked {
  readonly revision: number;
  readonly counts: Counts;
  readonly before: readonly LaneRow[];
  readonly lanes: readonly LaneRow[];
  readonly found: Found;
  readonly differences: readonly string[];
}

/** Undefined: the queue moved meanwhile, so that what was read one by one shows differences that are none. */
async function look(queue: DurableQueue, account: AccountTag): Promise<Looked | undefined> {
  const { store } = queue.opened;
  const view = await queue.view(account);
  const { revision, counts } = view.row;
  const found = await readAll(queue, view);
  const before = await store.readLanes(account);
  const lanes = revision === 0 ? before : [found.global, ...found.holds.values()];
  const differences = [...laneDifferences(before, lanes), ...countDifferences(counts, found.counts)];
  const row = await store.readAccount(account);
  const hasMoved = (row?.revision ?? 0) !== revision || (row?.counts ?? counts).enqueued !== counts.enqueued;
  return hasMoved ? undefined : { revision, counts, before, lanes, found, differences };
}

interface Found {
  readonly global: LaneRow;
  readonly holds: ReadonlyMap<EntityTag, LaneRow>;
  readonly counts: Counts;
  readonly operations: number;
}

async function readAll(queue: DurableQueue, view: AccountView): Promise<Found> {
  const { store } = queue.opened;
  const { account } = view;
  const live: Record<Counter, number> = Object.fromEntries(COUNTERS.map((counter) => [counter, 0])) as Record<Counter, number>;
  const holds = new Map<EntityTag, LaneRow>();
  let head: Seq | undefined;
  let last = 0;
  let operations = 0;
  for (let from = 1 as Seq; ; ) {
    const [segment] = await store.readSegments(account, from, 1);
    if (segment === undefined) break;
    const rows = await rowsOf(queue, account, segment);
    const kept = rows.filter((row) => row.phase !== "cancelled");
    for (const row of kept) {
      live[counterOf(stateOf(row.phase))] += 1;
      await noteHold(view, row, holds);
    }
    // What has no row is either over or has never been looked at: the latter come after the former, and `live` tells how many they are.
    // Those in between that were looked at, or ended, out of their turn have a row.
    const untouched = segment.live - kept.length;
    live.pending += Math.max(0, untouched);
    operations += segment.live;
    if (untouched > 0) head ??= firstUntouched(segment, rows, untouched);
    last = segment.seqFrom + segment.count - 1;
    from = (last + 1) as Seq;
  }
  const { counts } = view.row;
  const gone = { enqueued: counts.enqueued, cancelled: counts.cancelled };
  const others = COUNTERS.filter((counter) => counter !== "enqueued" && counter !== "succeeded" && counter !== "cancelled").reduce(
    (sum, counter) => sum + live[counter],
    0,
  );
  return {
    holds,
    operations,
    // Ended operations leave nothing to count: what was enqueued and stands nowhere else, succeeded.
    counts: { ...live, ...gone, succeeded: Math.max(0, gone.enqueued - gone.cancelled - others) },
    global: { ...view.global, head: head ?? (Math.max(last + 1, view.global.head) as Seq) },
  };
}

async function rowsOf(queue: DurableQueue, account: AccountTag, segment: SegmentRow): Promise<readonly StateRow[]> {
  const rows: StateRow[] = [];
  const upTo = (segment.seqFrom + segment.count - 1) as Seq;
  for (let after = (segment.seqFrom - 1) as Seq; ; ) {
    const page = await queue.opened.store.readStates({ account, after, upTo, limit: PAGE });
    rows.push(...page);
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return rows;
    after = last.seq;
  }
}

function firstUntouched(segment: SegmentRow, rows: readonly StateRow[], untouched: number): Seq {
  const touched = new Set(rows.map((row) => row.seq));
  let left = untouched;
  for (let seq = segment.seqFrom + segment.count - 1; seq >= segment.seqFrom; seq--) {
    if (!touched.has(seq as Seq) && --left === 0) return seq as Seq;
  }
  return segment.seqFrom;
}

async function noteHold(view: AccountView, row: StateRow, holds: Map<EntityTag, LaneRow>): Promise<void> {
  // Of several that hold it the first: one of its operations may wait for one of another entity.
  const hold = (blockedBy: Seq): void => {
    if ((holds.get(row.entityTag)?.blockedBy ?? Number.POSITIVE_INFINITY) <= blockedBy) return;
    holds.set(row.entityTag, { account: view.account, lane: row.entityTag, head: blockedBy, dueAt: 0, failures: 0, blockedBy });
  };
  if (row.phase === "blocked" && row.blockedBy !== 0) hold(row.blockedBy);
  const state = stateOf(row.phase);
  if (state !== "failed" && !holdsEntity(state, "")) return;
  const [operation] = state === "failed" ? await view.bySeq([row.seq]) : [];
  if (state !== "failed" || holdsEntity(state, operation?.content.type ?? "")) hold(row.seq);
}

function laneDifferences(before: readonly LaneRow[], after: readonly LaneRow[]): readonly string[] {
  const old = new Map(before.map((lane) => [lane.lane, lane]));
  const differences: string[] = [];
  for (const lane of after) {
    const known = old.get(lane.lane);
    old.delete(lane.lane);
    const name = lane.lane === "" ? "the global lane" : "a held entity";
    if (known === undefined) differences.push(`${name} was missing`);
    else if (known.head !== lane.head && lane.lane === "") differences.push(`${name} pointed at ${known.head} instead of ${lane.head}`);
    else if (known.blockedBy !== lane.blockedBy) differences.push(`${name} was held by ${known.blockedBy} instead of ${lane.blockedBy}`);
  }
  for (const lane of old.values())
    differences.push(lane.lane === "" ? "the global lane was needless" : `an entity was held by ${lane.blockedBy} for nothing`);
  return differences;
}

function countDifferences(before: Counts, after: Counts): readonly string[] {
  return COUNTERS.flatMap((counter) =>
    before[counter] === after[counter] ? [] : [`${counter} was ${before[counter]} instead of ${after[counter]}`],
  );
}
