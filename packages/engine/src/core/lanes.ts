import type { EntityTag, Seq } from "../ports/index.ts";
import { dueTime } from "./backoff.ts";

/** An operation, as far as lanes are concerned: it stands in its entity's, in its explicit one, and in one of its own, for those that depend on it. */
export interface InLanes {
  readonly id: string;
  readonly entityTag: EntityTag;
  readonly lane: string | undefined;
  /** Ids of operations that have to be applied first. */
  readonly dependsOn?: readonly string[] | undefined;
  /** Entities that it cannot name before what was asked of them earlier is done. */
  readonly refersTo?: readonly EntityTag[] | undefined;
}
/** One operation that waits. */
export interface Waiting extends InLanes {
  readonly seq: Seq;
  /** Members stand side by side, and go together. */
  readonly groupId?: string | undefined;
  /** Higher first, between lanes. */
  readonly priority: number;
  /** Epoch ms; 0 = at once. */
  readonly dueAt: number;
}

export interface NextInput<W extends Waiting = Waiting> {
  /** In order of seq; groups whole, as far as their members wait. */
  readonly waiting: readonly W[];
  /** Their lanes are busy: in a request without an answer, or sealed for one. */
  readonly busy: Iterable<InLanes>;
  readonly now: number;
  /** Nothing waits longer, unless the clock was set back. */
  readonly longestMs: number;
  /** So many operations; a group that comes first goes over it. */
  readonly limit: number;
  /** Requests that may still start: what does not fit into one is shared out by lanes, so that all of them have some. Default 1. */
  readonly requests?: number;
}
export interface Next<W extends Waiting = Waiting> {
  /** May go now, in the order in which they are taken: any first part of it that splits no group keeps the order of each lane. */
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
  const awaited = new Set(waiting.flatMap(({ dependsOn }) => dependsOn ?? []));
  const ready: Unit<W>[] = [];
  let waitUntil: number | undefined;
  for (const unit of unitsOf(waiting, awaited)) {
    const isClosed = [...unit.lanes, ...unit.ahead].some((lane) => closed.has(lane));
    const dueAt = Math.max(...unit.members.map((one) => dueTime(one.dueAt, now, longestMs)));
    if (!isClosed && dueAt <= now) {
      ready.push(unit);
      continue;
    }
    if (!isClosed) waitUntil = Math.min(waitUntil ?? dueAt, dueAt);
    for (const lane of unit.lanes) closed.add(lane);
  }
  // Without a priority the order of the queue is the order.
  if (ready.some(({ rank }) => rank !== 0)) {
    const overtaken = (waiting.at(-1)?.seq ?? 0) - MAX_OVERTAKING;
    const pull = new Map<string, number>();
    for (const unit of ready.toReversed()) {
      const own = unit.members[0].seq <= overtaken ? Number.POSITIVE_INFINITY : unit.rank;
      unit.rank = Math.max(own, ...unit.lanes.map((lane) => pull.get(lane) ?? Number.NEGATIVE_INFINITY));
      for (const lane of unit.lanes) pull.set(lane, unit.rank);
      for (const lane of unit.ahead) pull.set(lane, Math.max(unit.rank, pull.get(lane) ?? unit.rank));
    }
    // Stable, and nobody ranks below one behind it.
    ready.sort((a, b) => (a.rank === b.rank ? 0 : b.rank - a.rank));
  }
  const picked = pick(ready, limit, requests);
  return { picked: picked.flatMap(({ members }) => members), ...(waitUntil === undefined ? {} : { waitUntil }) };
}

/** A group whole, everything else alone. */
interface Unit<W> {
  readonly members: [W, ...W[]];
  /** Its lanes without those for dependents: what is shared out over the requests. */
  shares: readonly string[];
  lanes: readonly string[];
  /** Those in which it stands behind others, without keeping anybody waiting. */
  ahead: readonly string[];
  rank: number;
}

function unitsOf<W extends Waiting>(waiting: readonly W[], awaited: ReadonlySet<string>): readonly Unit<W>[] {
  const units: Unit<W>[] = [];
  for (const one of waiting) {
    const shares = orderLanesOf(one);
    const lanes = awaited.has(one.id) ? lanesOf(one) : shares;
    const ahead = lanesAheadOf(one);
    const last = units.at(-1);
    if (one.groupId === undefined || last?.members[0].groupId !== one.groupId) {
      units.push({ members: [one], shares, lanes, ahead, rank: one.priority });
      continue;
    }
    last.members.push(one);
    last.shares = [...new Set([...last.shares, ...shares])];
    last.lanes = [...new Set([...last.lanes, ...lanes])];
    last.ahead = [...last.ahead, ...ahead];
    last.rank = Math.max(last.rank, one.priority);
  }
  return units;
}

/** As many as go, from the front; when there are more than that, the first of so many lanes that the other requests have as many. */
function pick<W>(ready: readonly Unit<W>[], limit: number, requests: number): readonly Unit<W>[] {
  const count = ready.reduce((sum, { members }) => sum + members.length, 0);
  const isShared = count > limit && requests > 1;
  const most = isShared ? Math.ceil(new Set(ready.flatMap(({ shares }) => shares)).size / requests) : Number.POSITIVE_INFINITY;
  const taken = new Set<string>();
  const left = new Set<string>();
  const picked: Unit<W>[] = [];
  let room = limit;
  for (const unit of ready) {
    if (picked.length > 0 && unit.members.length > room) break;
    const further = isShared ? unit.shares.filter((lane) => !taken.has(lane)) : [];
    const isBehind = [...unit.lanes, ...unit.ahead].some((lane) => left.has(lane));
    const isOthers = isBehind || (further.length > 0 && taken.size + further.length > most);
    if (isOthers && picked.length > 0) {
      for (const lane of unit.lanes) left.add(lane);
      continue;
    }
    picked.push(unit);
    room -= unit.members.length;
    for (const lane of further) taken.add(lane);
  }
  return picked;
}

/** Names of the lanes of an operation, in which others stand behind it: no two kinds of names can be mistaken for each other. */
export function lanesOf(one: InLanes): readonly string[] {
  return [...orderLanesOf(one), operationLane(one.id)];
}

/** Those of what it depends on, or refers to. Who else does does not wait for it. */
export function lanesAheadOf({ dependsOn = [], refersTo = [] }: InLanes): readonly string[] {
  return [...dependsOn.map(operationLane), ...refersTo];
}

/** Those in which effects come in the order of the queue. */
export function orderLanesOf({ entityTag, lane }: Pick<InLanes, "entityTag" | "lane">): readonly string[] {
  return lane === undefined ? [entityTag] : [entityTag, `lane ${lane}`];
}

/** The lane in which an operation stands before those that depend on it. */
export function operationLane(id: string): string {
  return `op ${id}`;
}
