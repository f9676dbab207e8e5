import type { EntityTag, Seq } from "../ports/index.ts";
import { dueTime } from "./backoff.ts";

/** One operation that waits, as far as lanes are concerned. It stands in the lane of its entity, and in its explicit one. */
export interface Waiting {
  readonly seq: Seq;
  readonly entityTag: EntityTag;
  readonly lane: string | undefined;
  /** Higher first, between lanes. */
  readonly priority: number;
  /** Epoch ms; 0 = at once. */
  readonly dueAt: number;
}

export interface NextInput<W extends Waiting = Waiting> {
  /** In order of seq. */
  readonly waiting: readonly W[];
  /** Their lanes are busy: in a request without an answer, or sealed for one. */
  readonly busy: Iterable<Pick<Waiting, "entityTag" | "lane">>;
  readonly now: number;
  /** Nothing waits longer, unless the clock was set back. */
  readonly longestMs: number;
  readonly limit: number;
  /** Requests that may still start: what does not fit into one is shared out by lanes, so that all of them have some. Default 1. */
  readonly requests?: number;
}
export interface Next<W extends Waiting = Waiting> {
  /** May go now, in the order in which they are taken: any first part of it keeps the order of each lane. */
  readonly picked: readonly W[];
  /** Epoch ms of the next due time that keeps something from going. */
  readonly waitUntil?: number;
}

/** So many later ones may overtake an operation by their priority, no more. */
export const MAX_OVERTAKING = 1000;

/**
 * Which operations may go under entity ordering. One that cannot keeps its lanes closed behind it, all others go on. Lanes are
 * told apart by the highest priority of what waits in them: who waits behind an operation pulls it along.
 */
export function nextInLanes<W extends Waiting>({ waiting, busy, now, longestMs, limit, requests = 1 }: NextInput<W>): Next<W> {
  const closed = new Set<string>();
  for (const one of busy) for (const lane of lanesOf(one)) closed.add(lane);
  const ready: Ready<W>[] = [];
  let waitUntil: number | undefined;
  for (const one of waiting) {
    const lanes = lanesOf(one);
    const isClosed = lanes.some((lane) => closed.has(lane));
    const dueAt = dueTime(one.dueAt, now, longestMs);
    if (!isClosed && dueAt <= now) {
      ready.push({ one, lanes, rank: one.priority });
      continue;
    }
    if (!isClosed) waitUntil = Math.min(waitUntil ?? dueAt, dueAt);
    for (const lane of lanes) closed.add(lane);
  }
  // Without a priority the order of the queue is the order.
  if (ready.some(({ rank }) => rank !== 0)) {
    const overtaken = (waiting.at(-1)?.seq ?? 0) - MAX_OVERTAKING;
    const pull = new Map<string, number>();
    for (const entry of ready.toReversed()) {
      const own = entry.one.seq <= overtaken ? Number.POSITIVE_INFINITY : entry.rank;
      entry.rank = Math.max(own, ...entry.lanes.map((lane) => pull.get(lane) ?? Number.NEGATIVE_INFINITY));
      for (const lane of entry.lanes) pull.set(lane, entry.rank);
    }
    // Stable, and nobody ranks below one behind it.
    ready.sort((a, b) => (a.rank === b.rank ? 0 : b.rank - a.rank));
  }
  const picked = ready.length > limit && requests > 1 ? share(ready, limit, requests) : ready.slice(0, limit);
  return { picked: picked.map(({ one }) => one), ...(waitUntil === undefined ? {} : { waitUntil }) };
}

interface Ready<W> {
  readonly one: W;
  readonly lanes: readonly string[];
  rank: number;
}

/** The first of so many lanes that the other requests have as many. */
function share<W>(ready: readonly Ready<W>[], limit: number, requests: number): readonly Ready<W>[] {
  const all = new Set(ready.flatMap(({ lanes }) => lanes));
  const most = Math.ceil(all.size / requests);
  const taken = new Set<string>();
  const left = new Set<string>();
  const picked: Ready<W>[] = [];
  for (const entry of ready) {
    if (picked.length === limit) break;
    const further = entry.lanes.filter((lane) => !taken.has(lane));
    const isOthers = entry.lanes.some((lane) => left.has(lane)) || (further.length > 0 && taken.size + further.length > most);
    if (isOthers && picked.length > 0) for (const lane of entry.lanes) left.add(lane);
    else {
      picked.push(entry);
      for (const lane of further) taken.add(lane);
    }
  }
  return picked;
}

/** Names of the lanes of an operation. An explicit one cannot be mistaken for an entity's tag. */
export function lanesOf({ entityTag, lane }: Pick<Waiting, "entityTag" | "lane">): readonly string[] {
  return lane === undefined ? [entityTag] : [entityTag, `lane ${lane}`];
}
