import { type InLanes, nextInLanes } from "../core/lanes.ts";
import type { Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { Lease } from "../queue/queue.ts";
import type { QueuedOperation } from "../queue/records.ts";
import { LOOKAHEAD, type Lookahead, type Seen } from "./lookahead.ts";

/** Which lanes are free, and what waits in them. */
export interface Lanes {
  readonly lookahead: Lookahead;
  /** In a request that has no answer yet, or sealed for one. */
  readonly busy: readonly InLanes[];
  /** That may still start, this one included. */
  readonly requests: number;
  /** What leaves the lookahead when this is written. */
  readonly taken: Set<Seq>;
}

/** The first that may go, of lanes that are free, groups whole. Those of a lane stand by seq. */
export async function inLanes(
  view: AccountView,
  { lookahead, busy, requests, taken }: Lanes,
  { lease, ...bounds }: { readonly lease: Lease; readonly now: number; readonly longestMs: number; readonly limit: number },
): Promise<{ readonly window: readonly QueuedOperation[]; readonly waitUntil: number | undefined }> {
  lookahead.sync(view, lease);
  taken.clear();
  const { ready, end } = await readyOnes(view);
  const known = new Map(ready.map((operation) => [operation.seq, operation]));
  const rows = ready.map((operation) => lookahead.seen(view, operation));
  const survivors = new Map<string, string>();
  for (;;) {
    const fresh = lookahead.waiting.filter(({ seq }) => seq < end && !known.has(seq) && !taken.has(seq));
    // Folding gives rows to operations far behind the head: before what stands in front of them is read, nobody knows their turn.
    const kept = rows.filter(({ seq }) => seq < lookahead.horizon);
    const all = kept.length === 0 ? fresh : [...kept, ...fresh].sort((a, b) => a.seq - b.seq);
    const waiting = ofSurvivors(withGroups(all), survivors);
    const { picked, waitUntil } = nextInLanes({ waiting, busy, ...bounds, requests });
    if (picked.length < bounds.limit && (await lookahead.readOn(view))) continue;
    const missing = picked.flatMap(({ seq }) => (known.has(seq) ? [] : [seq]));
    const found = new Map((await view.bySeq(missing)).map((operation) => [operation.seq, operation]));
    const window = picked.flatMap(({ seq }) => known.get(seq) ?? found.get(seq) ?? []).filter(isWaiting);
    if (window.length < picked.length) {
      // Some have been taken back meanwhile.
      const still = new Set(window.map(({ seq }) => seq));
      for (const { seq } of picked) if (!still.has(seq)) taken.add(seq);
      continue;
    }
    const renamed = await survivorsOf(view, picked, [...waiting, ...busy], survivors);
    if (renamed.size === 0) return { window, waitUntil };
    for (const [id, survivor] of renamed) survivors.set(id, survivor);
  }
}

/** Those with a row of their own, and where they have to stop: what stands behind the last one that was read has others before it. */
async function readyOnes(view: AccountView): Promise<{ readonly ready: readonly QueuedOperation[]; readonly end: number }> {
  const ready = await view.inPhase(["ready"], 0, LOOKAHEAD);
  const last = ready.at(-1);
  if (last === undefined || ready.length < LOOKAHEAD) return { ready, end: Number.POSITIVE_INFINITY };
  const { groupId } = last.content;
  const whole = ready.filter((operation) => operation !== last && (groupId === undefined || operation.content.groupId !== groupId));
  return { ready: whole, end: (whole.at(-1)?.seq ?? 0) + 1 };
}

function isWaiting({ row }: QueuedOperation): boolean {
  return row === null || row.phase === "ready";
}

/** What cannot be read does not say to which group it belongs; another member of it does. */
function withGroups(waiting: readonly Seen[]): readonly Seen[] {
  if (waiting.every(({ isReadable }) => isReadable)) return waiting;
  const members = waiting.filter(({ groupId }) => groupId !== undefined);
  return waiting.map((one) => {
    if (one.isReadable) return one;
    const groupId = members.find(({ from, to }) => from <= one.seq && one.seq <= to)?.groupId;
    return { ...one, groupId };
  });
}

/** With the names of those into which others were folded, where one depends on these. */
export function ofSurvivors<W extends InLanes>(all: readonly W[], survivors: ReadonlyMap<string, string>): readonly W[] {
  if (survivors.size === 0) return all;
  return all.map((one) => (one.dependsOn === undefined ? one : { ...one, dependsOn: one.dependsOn.map((id) => survivors.get(id) ?? id) }));
}

/** Of what these depend on, and is folded: into which of the known ones. */
export async function survivorsOf(
  view: AccountView,
  children: readonly InLanes[],
  known: readonly InLanes[],
  except: ReadonlyMap<string, string> = new Map(),
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const ids = children.flatMap(({ dependsOn = [] }) => dependsOn);
  if (ids.length === 0) return found;
  const here = new Set(known.map(({ id }) => id));
  for (const id of ids) {
    if (here.has(id) || found.has(id) || except.has(id)) continue;
    const parent = await view.byId(id);
    if (parent === undefined || "receipt" in parent || parent.operation.phase !== "folded") continue;
    const [survivor] = await view.bySeq([(parent.operation.row?.blockedBy ?? 0) as Seq]);
    if (survivor !== undefined && here.has(survivor.content.id)) found.set(id, survivor.content.id);
  }
  return found;
}
