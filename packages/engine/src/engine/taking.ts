import { type SyncErrorCode, utf8SizeBytes } from "@guardian-sync/protocol";
import { type BatchCandidate, takeBatch } from "../core/batch.ts";
import type { Capabilities } from "../core/handshake.ts";
import type { WireId } from "../core/server-ids.ts";
import type { AsideStep, WindowStep } from "../core/window.ts";
import type { EntityRow, EntityTag } from "../ports/index.ts";
import type { QueuedOperation } from "../queue/records.ts";
import type { Registry } from "./definitions.ts";
import { renderFor, type Rendered } from "./rendering.ts";
import { inWireIds } from "./wire-ids.ts";

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
/** What the operations of the window were written against. */
export interface Surroundings {
  readonly bases: ReadonlyMap<EntityTag, EntityRow>;
  readonly wireId: WireId;
}
export interface Taken {
  readonly batch: {
    readonly operation: QueuedOperation;
    readonly rendered: Rendered & { readonly ok: true };
    readonly candidate: BatchCandidate;
  }[];
  readonly aside: PutAside[];
  readonly unrenderable: { readonly operation: QueuedOperation; readonly code: SyncErrorCode; readonly problem: string }[];
  /** How many of the window were dealt with. */
  looked: number;
}

/** Walks the plan until the request is full. A REST operation goes alone. */
export function take(
  registry: Registry,
  request: Room,
  window: readonly QueuedOperation[],
  steps: readonly WindowStep[],
  { bases, wireId }: Surroundings,
  now: number,
): Taken {
  const taken: Taken = { batch: [], aside: [], unrenderable: [], looked: 0 };
  const predecessors = new Map<EntityTag, QueuedOperation>();
  const parked = new Set<EntityTag>();
  const limits = { maxOperations: request.maxOperations, maxBytes: request.maxBytes };
  for (const step of steps) {
    const operation = window[step.index] as QueuedOperation;
    // An operation of this entity has just been parked: the next look sees the hold.
    if (parked.has(operation.entityTag)) break;
    if (operation.content.base !== undefined && request.behind?.has(operation.entityTag) === true) break;
    if (step.do !== "send") {
      taken.aside.push({ operation, step });
      taken.looked += 1;
      continue;
    }
    const rendered = renderFor(registry, inWireIds(registry, operation, wireId), {
      capabilities: request.capabilities,
      predecessor: predecessors.get(operation.entityTag),
      known: bases.get(operation.entityTag),
    });
    if (!rendered.ok) {
      taken.unrenderable.push({ operation, code: rendered.code, problem: rendered.problem });
      parked.add(operation.entityTag);
      taken.looked += 1;
      continue;
    }
    const over = rendered.face === "rest" ? overBefore(operation, now) : undefined;
    if (over !== undefined) {
      taken.aside.push({ operation, step: { do: over, index: step.index } });
      taken.looked += 1;
      continue;
    }
    const candidates = [...taken.batch.map((item) => item.candidate), candidateOf(rendered)];
    const fits = takeBatch(candidates, { operations: request.maxOperations }, limits);
    if (fits.kind === "take" && fits.count < candidates.length) break;
    taken.batch.push({ operation, rendered, candidate: candidateOf(rendered) });
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
