import { type SyncErrorCode, utf8SizeBytes } from "@guardian-sync/protocol";
import { type BatchCandidate, takeBatch } from "../core/batch.ts";
import { MAX_MEMBERS } from "../core/max-members.ts";
import type { Capabilities } from "../core/handshake.ts";
import type { AsideStep, WindowStep } from "../core/window.ts";
import type { EntityTag } from "../ports/index.ts";
import type { QueuedOperation } from "../queue/records.ts";
import { type EngineContext, nowOf } from "./context.ts";
import { folded, type Folding } from "./folding.ts";
import { type KnownResult, renderFor, type Rendered } from "./rendering.ts";

/** How much the next request may hold, and of whom. */
export interface Room {
  readonly capabilities: Capabilities;
  readonly maxOperations: number;
  readonly maxBytes: number;
  /** Entities in a request that has no answer yet: what was written against a version of one waits for it. */
  readonly behind?: ReadonlySet<EntityTag>;
}
/** An operation that does not go out: what becomes of it instead. */
export interface PutAside {
  readonly operation: QueuedOperation;
  readonly step: AsideStep | { readonly do: "take_back"; readonly index: number };
}
export interface Taken {
  readonly batch: {
    readonly operation: QueuedOperation;
    readonly rendered: Rendered & { readonly ok: true };
    readonly candidate: BatchCandidate;
    /** What is folded into it now. */
    readonly members: readonly QueuedOperation[];
  }[];
  /** What ends before anybody has heard of it. */
  readonly annihilated: QueuedOperation[];
  readonly aside: PutAside[];
  readonly unrenderable: { readonly operation: QueuedOperation; readonly code: SyncErrorCode; readonly problem: string }[];
  /** How many of the window were dealt with. */
  looked: number;
}

/** A window, and what becomes of it. */
export interface Plan {
  readonly window: readonly QueuedOperation[];
  readonly steps: readonly WindowStep[];
  readonly folding: Folding;
  readonly bases: ReadonlyMap<EntityTag, KnownResult>;
}

/** Walks the plan until the request is full. A REST operation goes alone. */
export function take(context: Pick<EngineContext, "settings" | "platform">, request: Room, plan: Plan): Taken {
  const { registry } = context.settings;
  const { window, steps, folding, bases } = plan;
  const taken: Taken = { batch: [], annihilated: [], aside: [], unrenderable: [], looked: 0 };
  const followed = new Set<number>();
  let members = 0;
  const predecessors = new Map<EntityTag, QueuedOperation>();
  const parked = new Set<EntityTag>();
  const limits = { maxOperations: request.maxOperations, maxBytes: request.maxBytes };
  for (const step of steps) {
    const survivor = folding.survivorOf.get(step.index);
    // It goes with its survivor, if that goes.
    if (survivor !== undefined && followed.has(survivor)) {
      taken.looked += 1;
      continue;
    }
    const alone = window[step.index] as QueuedOperation;
    const unit = folding.units.get(step.index);
    const joined = unit?.members.map((index) => window[index] as QueuedOperation) ?? [];
    if (unit?.becomes === "nothing") {
      taken.annihilated.push(alone, ...joined);
      followed.add(step.index);
      taken.looked += 1;
      continue;
    }
    const operation = unit === undefined ? alone : folded(context, alone, unit.becomes, joined.length);
    // An operation of this entity has just been parked: the next look sees the hold.
    if (parked.has(operation.entityTag)) break;
    if (operation.content.base !== undefined && request.behind?.has(operation.entityTag) === true) break;
    if (step.do !== "send") {
      taken.aside.push({ operation, step });
      taken.looked += 1;
      continue;
    }
    const rendered = renderFor(registry, operation, {
      capabilities: request.capabilities,
      predecessor: predecessors.get(operation.entityTag),
      known: bases.get(operation.entityTag),
    });
    if (!rendered.ok) {
      // As it was made: those behind it wait for it.
      taken.unrenderable.push({ operation: alone, code: rendered.code, problem: rendered.problem });
      parked.add(operation.entityTag);
      taken.looked += 1;
      continue;
    }
    const over = rendered.face === "rest" ? overBefore(operation, nowOf(context)) : undefined;
    if (over !== undefined) {
      taken.aside.push({ operation: alone, step: { do: over, index: step.index } });
      taken.looked += 1;
      continue;
    }
    const candidates = [...taken.batch.map((item) => item.candidate), candidateOf(rendered)];
    const fits = takeBatch(candidates, { operations: request.maxOperations }, limits);
    if (fits.kind === "take" && fits.count < candidates.length) break;
    // All of them end in one transaction.
    members += operation.detail.members ?? 0;
    if (members > MAX_MEMBERS && taken.batch.length > 0) break;
    taken.batch.push({ operation, rendered, candidate: candidateOf(rendered), members: joined });
    followed.add(step.index);
    taken.looked += 1;
    predecessors.set(operation.entityTag, operation);
  }
  return taken;
}

/**
 * A route has no cancel markers: sent once more to be stopped, the operation would take effect. It was refused under its old key, so
 * that not sending it again is the best that can be done.
 */
function overBefore({ content, detail }: QueuedOperation, now: number): "take_back" | "expire" | undefined {
  if (detail.cancelWanted === true) return "take_back";
  return (content.expiresAt ?? Number.POSITIVE_INFINITY) <= now ? "expire" : undefined;
}

function candidateOf(rendered: Rendered & { readonly ok: true }): BatchCandidate {
  return { sizeBytes: utf8SizeBytes(rendered.text), face: rendered.face };
}
