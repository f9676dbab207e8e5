import type { Ordering } from "@guardian-sync/protocol";
import type { EntityTag, Seq } from "../ports/index.ts";
import { type OrderedOperation, takeTurn } from "./order.ts";

/** One operation of the window, as far as the decision needs it. */
export interface Candidate {
  readonly seq: Seq;
  readonly entityTag: EntityTag;
  /** It ended before the head reached it. */
  readonly isTombstone: boolean;
  readonly isReadable: boolean;
  /** Its type is plain, or has a definition. */
  readonly isKnown: boolean;
  /** Its key stands in the success record. */
  readonly isSettled: boolean;
  /** The app gave it a last moment; 0 = none. Epoch ms. */
  readonly expiresAt: number;
  /** Epoch ms; 0 = at once. */
  readonly dueAt: number;
  /** Nothing of its entity can go when it fails. */
  readonly isCreate?: boolean;
  /** Members stand side by side, and all that still wait stand in the same window. */
  readonly groupId?: string | undefined;
  /** Operations of this window, or sealed ones, that have to be applied first. */
  readonly dependsOn?: readonly Seq[];
  /** Of what it depends on, the worst: it ended without effect, or nobody knows it any more. */
  readonly parents?: "dead" | "lost";
  /** What a parent, or a member of its group that stands elsewhere, waits for. */
  readonly waitsFor?: Seq | undefined;
}

type Aside = "forget" | "settled_before" | "quarantine" | "expire" | "park" | "orphan" | "lose";
/** It does not go now. */
export type AsideStep = { readonly do: Aside; readonly index: number } | { readonly do: "block"; readonly index: number; readonly by: Seq };
export type WindowStep = AsideStep | { readonly do: "send"; readonly index: number };

export interface WindowPlan {
  /** For a prefix of the window: what follows has not been looked at. It ends between groups. */
  readonly steps: readonly WindowStep[];
  /** The first one not looked at is not due before. Epoch ms. */
  readonly waitUntil?: number;
}

/** They end together. */
const FATAL: readonly Aside[] = ["expire", "orphan"];
/** The others wait for it. */
const STUCK: ReadonlySet<Aside | undefined> = new Set<Aside | undefined>(["quarantine", "park", "lose"]);

/**
 * What becomes of a window, in the order given, in which those of an entity stand by seq: a prefix of it. What cannot go is put aside
 * and may hold back its entity, its group and what depends on it; what waits for its time stops everybody behind it (under entity
 * ordering it is not in the window).
 */
export function planWindow(
  candidates: readonly Candidate[],
  holds: ReadonlyMap<EntityTag, Seq>,
  now: number,
  ordering: Ordering = "global",
): WindowPlan {
  const held = new Map(holds);
  const asides = together(
    candidates,
    candidates.map((candidate) => asideOf(candidate, held, now)),
  );
  const turn = takeTurn({
    ordering,
    holds: held,
    now,
    window: candidates.flatMap((candidate, index) => (asides[index] === undefined ? [orderedOf(candidate, candidates, asides)] : [])),
  });
  const goes = new Set(turn.send);
  const blocks = new Map(turn.block.map(({ seq, by }) => [seq, by]));
  const away = new Set(candidates.flatMap(({ seq }, index) => (asides[index] === undefined ? [] : [seq])));
  const steps: WindowStep[] = [];
  for (const [index, { seq, groupId }] of candidates.entries()) {
    const isFirst = groupId === undefined || candidates[index - 1]?.groupId !== groupId;
    // What it depends on is put aside by this plan: the next look sees where that stands.
    if (isFirst && away.size > 0 && dependsOnOneOf(away, candidates, index)) break;
    const aside = asides[index];
    const by = blocks.get(seq);
    if (aside !== undefined) steps.push({ do: aside, index });
    else if (by !== undefined) steps.push({ do: "block", index, by });
    else if (goes.has(seq)) steps.push({ do: "send", index });
    else break;
  }
  return { steps, ...(turn.waitUntil === undefined ? {} : { waitUntil: turn.waitUntil }) };
}

/** An earlier holder keeps its hold; behind one, an operation waits like every other, whatever is wrong with it. */
function asideOf(candidate: Candidate, held: Map<EntityTag, Seq>, now: number): Aside | undefined {
  const { seq, entityTag, isReadable, isKnown, expiresAt, parents } = candidate;
  if (candidate.isTombstone) return "forget";
  if (candidate.isSettled) return "settled_before";
  if (expiresAt > 0 && expiresAt <= now) return "expire";
  const holder = held.get(entityTag);
  // A hold binds only what came after its holder.
  const isHeld = holder !== undefined && holder < seq;
  const aside = !isReadable ? "quarantine" : parents === "dead" ? "orphan" : isHeld ? undefined : parents === "lost" ? "lose" : undefined;
  const found = aside ?? (isKnown || isHeld ? undefined : "park");
  if (found !== undefined && !isHeld && (found !== "orphan" || candidate.isCreate === true)) held.set(entityTag, seq);
  return found;
}

/** What ends one member of a group ends all. */
function together(candidates: readonly Candidate[], asides: readonly (Aside | undefined)[]): readonly (Aside | undefined)[] {
  const ends = new Map<string, Aside>();
  for (const [index, { groupId }] of candidates.entries()) {
    const aside = asides[index];
    if (groupId !== undefined && aside !== undefined && FATAL.includes(aside)) ends.set(groupId, aside);
  }
  if (ends.size === 0) return asides;
  return asides.map((aside, index) => aside ?? ends.get(candidates[index]?.groupId ?? ""));
}

function orderedOf(
  { seq, entityTag, dueAt, groupId, dependsOn, waitsFor }: Candidate,
  candidates: readonly Candidate[],
  asides: readonly (Aside | undefined)[],
): OrderedOperation {
  const stuck = groupId === undefined ? -1 : candidates.findIndex((one, at) => one.groupId === groupId && STUCK.has(asides[at]));
  const by = waitsFor ?? candidates[stuck]?.seq;
  return {
    seq,
    entityTag,
    dueAt,
    state: "pending",
    ...(groupId === undefined ? {} : { groupId }),
    ...(dependsOn === undefined ? {} : { dependsOn }),
    ...(by === undefined ? {} : { waitsFor: by }),
  };
}

function dependsOnOneOf(away: ReadonlySet<Seq>, candidates: readonly Candidate[], at: number): boolean {
  const groupId = candidates[at]?.groupId;
  const members = groupId === undefined ? candidates.slice(at, at + 1) : candidates.filter((one) => one.groupId === groupId);
  const own = new Set(members.map(({ seq }) => seq));
  return members.some(({ dependsOn }) => dependsOn?.some((seq) => away.has(seq) && !own.has(seq)) === true);
}
