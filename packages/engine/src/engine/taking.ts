import { type SyncErrorCode, utf8SizeBytes } from "@guardian-sync/protocol";
import { type BatchCandidate, takeBatch } from "../core/batch.ts";
import { type BatchLimits, fitsOneRequest } from "../core/batch-limits.ts";
import { MAX_MEMBERS } from "../core/max-members.ts";
import type { Capabilities } from "../core/handshake.ts";
import type { WireId } from "../core/server-ids.ts";
import type { AsideStep, WindowStep } from "../core/window.ts";
import type { EntityTag, Seq } from "../ports/index.ts";
import { currentKey, type QueuedOperation } from "../queue/records.ts";
import { type EngineContext, nowOf } from "./context.ts";
import { folded, type Folding } from "./folding.ts";
import type { Parents } from "./parents.ts";
import { type KnownResult, renderFor, type Rendered } from "./rendering.ts";
import { inWireIds } from "./wire-ids.ts";

/** How much the next request may hold, and of whom. */
export interface Room {
  readonly capabilities: Capabilities;
  readonly maxOperations: number;
  readonly maxBytes: number;
  /** What a request can hold at most, however small the next one shall be: a group goes over the smaller bounds, alone. */
  readonly hard: BatchLimits;
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

/** A window, what becomes of it, and what is known of its operations beside what stands in their rows. */
export interface Plan {
  readonly window: readonly QueuedOperation[];
  readonly steps: readonly WindowStep[];
  readonly folding: Folding;
  readonly bases: ReadonlyMap<EntityTag, KnownResult>;
  readonly parents: ReadonlyMap<Seq, Parents>;
  readonly wireId: WireId;
}

/** Walks the plan until the request is full. A REST operation goes alone, and a group whole. */
export function take(context: Pick<EngineContext, "settings" | "platform">, request: Room, plan: Plan): Taken {
  const { registry } = context.settings;
  const { window, steps, folding, bases, parents, wireId } = plan;
  const taken: Taken = { batch: [], annihilated: [], aside: [], unrenderable: [], looked: 0 };
  const predecessors = new Map<EntityTag, QueuedOperation>();
  const parked = new Set<EntityTag>();
  const followed = new Set<number>();
  let members = 0;
  for (const unit of unitsOf(steps, window)) {
    const [{ operation: alone, step: own }] = unit;
    // What is folded stands alone: groups are not.
    const survivor = folding.survivorOf.get(own.index);
    // It goes with its survivor, if that goes.
    if (survivor !== undefined && followed.has(survivor)) {
      taken.looked += 1;
      continue;
    }
    const fold = folding.units.get(own.index);
    const joined = fold?.members.map((index) => window[index] as QueuedOperation) ?? [];
    if (fold?.becomes === "nothing") {
      taken.annihilated.push(alone, ...joined);
      followed.add(own.index);
      taken.looked += 1;
      continue;
    }
    const isGroup = alone.content.groupId !== undefined;
    // An operation of this entity has just been parked: the next look sees the hold.
    if (unit.some(({ operation }) => parked.has(operation.entityTag))) break;
    const isBehind = unit.some(
      ({ operation }) => operation.content.base !== undefined && request.behind?.has(operation.entityTag) === true,
    );
    if (isBehind) break;
    const going = unit.flatMap(({ operation, step }) => {
      if (step.do !== "send") return [];
      return [
        fold === undefined ? operation : folded(context, operation, fold.becomes as Exclude<typeof fold.becomes, "nothing">, joined.length),
      ];
    });
    const before = new Map(predecessors);
    const rendered = going.map((operation) => {
      const parentKeys = (parents.get(operation.seq)?.ahead ?? []).map(currentKey);
      const predecessor = before.get(operation.entityTag);
      before.set(operation.entityTag, operation);
      const { capabilities } = request;
      return renderFor(registry, inWireIds(registry, operation, wireId), {
        capabilities,
        predecessor,
        parentKeys,
        known: bases.get(operation.entityTag),
      });
    });
    // Where the server does not keep the order, what it depends on has to be applied first.
    if (going.some((operation, index) => !mayFollow(operation, rendered[index] as Rendered, taken, going, parents))) break;
    const problem = problemOf(going, rendered, isGroup, request.hard);
    if (problem !== undefined) {
      for (const { operation, step } of unit) {
        // As it was made: what would have been folded into it waits for it.
        if (step.do !== "send") taken.aside.push({ operation, step });
        else if (problem.of === "all" || problem.of.seq === operation.seq) taken.unrenderable.push({ operation, ...problem.why });
        else taken.aside.push({ operation, step: { do: "block", index: step.index, by: problem.of.seq } });
        parked.add(operation.entityTag);
      }
      taken.looked += unit.length;
      continue;
    }
    const [only] = going;
    const over =
      only !== undefined && rendered[0]?.ok === true && rendered[0].face === "rest" ? overBefore(only, nowOf(context)) : undefined;
    if (over !== undefined) {
      taken.aside.push({ operation: alone, step: { do: over, index: own.index } });
      taken.looked += 1;
      continue;
    }
    const items = going.map((operation, index) => itemOf(operation, rendered[index] as Rendered & { readonly ok: true }, joined));
    const candidates = [...taken.batch, ...items].map(({ candidate }) => candidate);
    const room = { operations: request.maxOperations, maxBytes: request.maxBytes };
    if (candidates.length > 0 && takeBatch(candidates, room, request.hard).count < candidates.length) break;
    // All of them end in one transaction.
    members += only?.detail.members ?? 0;
    if (members > MAX_MEMBERS && taken.batch.length > 0) break;
    for (const { operation, step } of unit) if (step.do !== "send") taken.aside.push({ operation, step });
    taken.batch.push(...items);
    if (items.length > 0) followed.add(own.index);
    taken.looked += unit.length;
    for (const operation of going) predecessors.set(operation.entityTag, operation);
  }
  return taken;
}

interface Stepped {
  readonly operation: QueuedOperation;
  readonly step: WindowStep;
}

/** Groups whole, everything else alone. */
function unitsOf(steps: readonly WindowStep[], window: readonly QueuedOperation[]): readonly (readonly [Stepped, ...Stepped[]])[] {
  const units: [Stepped, ...Stepped[]][] = [];
  for (const step of steps) {
    const operation = window[step.index] as QueuedOperation;
    const last = units.at(-1);
    const { groupId } = operation.content;
    if (groupId !== undefined && last?.[0].operation.content.groupId === groupId) last.push({ operation, step });
    else units.push([{ operation, step }]);
  }
  return units;
}

/** In one request, in order, the server keeps a child from going before its parent. */
function mayFollow(
  { seq }: QueuedOperation,
  rendered: Rendered,
  { batch }: Taken,
  going: readonly QueuedOperation[],
  parents: ReadonlyMap<Seq, Parents>,
): boolean {
  const ahead = parents.get(seq)?.ahead ?? [];
  if (ahead.length === 0) return true;
  if (!rendered.ok) return true;
  const together = new Set([...batch.map(({ operation }) => operation.seq), ...going.map((operation) => operation.seq)]);
  return rendered.face === "sync" && ahead.every((parent) => parent.phase === "sealed" || together.has(parent.seq));
}

interface Problem {
  /** Who is put aside for it; the others of its group wait for that one. */
  readonly of: QueuedOperation | "all";
  readonly why: { readonly code: SyncErrorCode; readonly problem: string };
}

function problemOf(
  going: readonly QueuedOperation[],
  rendered: readonly Rendered[],
  isGroup: boolean,
  hard: BatchLimits,
): Problem | undefined {
  for (const [index, one] of rendered.entries()) {
    if (!one.ok) return { of: going[index] as QueuedOperation, why: { code: one.code, problem: one.problem } };
  }
  if (!isGroup) return undefined;
  const texts = rendered.flatMap((one) => (one.ok ? [one] : []));
  const foreign = texts.findIndex(({ face }) => face !== "sync");
  if (foreign >= 0) {
    const name = (going[foreign] as QueuedOperation).content.type;
    const problem = `the backend does not take "${name}" by name, so its group cannot be applied whole; discard it, or retry it when the backend can`;
    return { of: "all", why: { code: "GROUP_UNSUPPORTED", problem } };
  }
  const bytes = texts.reduce((sum, { text }) => sum + utf8SizeBytes(text), 0);
  if (fitsOneRequest({ count: texts.length, bytes }, hard)) return undefined;
  const problem = `its group of ${texts.length} operations and ${bytes} bytes does not fit into one request of the backend, and is never split; discard it`;
  return { of: "all", why: { code: "GROUP_TOO_LARGE", problem } };
}

function itemOf(
  operation: QueuedOperation,
  rendered: Rendered & { readonly ok: true },
  members: readonly QueuedOperation[],
): Taken["batch"][number] {
  const { groupId } = operation.content;
  const candidate = { sizeBytes: utf8SizeBytes(rendered.text), face: rendered.face, ...(groupId === undefined ? {} : { groupId }) };
  return { operation, rendered, candidate, members };
}

/**
 * A route has no cancel markers: sent once more to be stopped, the operation would take effect. It was refused under its old key, so
 * that not sending it again is the best that can be done.
 */
function overBefore({ content, detail }: QueuedOperation, now: number): "take_back" | "expire" | undefined {
  if (detail.cancelWanted === true) return "take_back";
  return (content.expiresAt ?? Number.POSITIVE_INFINITY) <= now ? "expire" : undefined;
}
