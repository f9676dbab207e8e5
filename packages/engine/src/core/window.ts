import type { Ordering } from "@guardian-sync/protocol";
import type { EntityTag, Seq } from "../ports/index.ts";
import { takeTurn } from "./order.ts";

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
}

type Aside = "forget" | "settled_before" | "quarantine" | "expire" | "park";
/** It does not go now. */
export type AsideStep = { readonly do: Aside; readonly index: number } | { readonly do: "block"; readonly index: number; readonly by: Seq };
export type WindowStep = AsideStep | { readonly do: "send"; readonly index: number };

export interface WindowPlan {
  /** For a prefix of the window: what follows has not been looked at. */
  readonly steps: readonly WindowStep[];
  /** The first one not looked at is not due before. Epoch ms. */
  readonly waitUntil?: number;
}

/**
 * What becomes of a window, in the order given, in which those of an entity stand by seq: a prefix of it. What cannot go is put aside
 * and may hold back its entity; what waits for its time stops everybody behind it (under entity ordering it is not in the window).
 */
export function planWindow(
  candidates: readonly Candidate[],
  holds: ReadonlyMap<EntityTag, Seq>,
  now: number,
  ordering: Ordering = "global",
): WindowPlan {
  const held = new Map(holds);
  const asides = candidates.map((candidate) => asideOf(candidate, held, now));
  const turn = takeTurn({
    ordering,
    holds: held,
    now,
    window: candidates.flatMap(({ seq, entityTag, dueAt }, index) =>
      asides[index] === undefined ? [{ seq, entityTag, dueAt, state: "pending" as const }] : [],
    ),
  });
  const goes = new Set(turn.send);
  const blocks = new Map(turn.block.map(({ seq, by }) => [seq, by]));
  const steps: WindowStep[] = [];
  for (const [index, { seq }] of candidates.entries()) {
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
  if (candidate.isTombstone) return "forget";
  if (candidate.isSettled) return "settled_before";
  if (candidate.expiresAt > 0 && candidate.expiresAt <= now) return "expire";
  const holder = held.get(candidate.entityTag);
  // A hold binds only what came after its holder.
  const isHeld = holder !== undefined && holder < candidate.seq;
  if (candidate.isReadable && (candidate.isKnown || isHeld)) return undefined;
  if (!isHeld) held.set(candidate.entityTag, candidate.seq);
  return candidate.isReadable ? "park" : "quarantine";
}
