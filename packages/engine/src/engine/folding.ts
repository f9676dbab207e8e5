import type { Json, JsonObject, Ordering } from "@guardian-sync/protocol";
import { type Fold, type Foldable, type FoldCandidate, type FoldUnit, type JoinDeclared, planFolds } from "../core/coalesce.ts";
import { checkPayload } from "../core/payload.ts";
import { chooseFace } from "../core/face.ts";
import { orderLanesOf } from "../core/lanes.ts";
import type { WindowStep } from "../core/window.ts";
import { type Edit, MAX_HISTORY } from "../format/index.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import { editedContent, type QueuedOperation, wasSent } from "../queue/records.ts";
import { codeOf } from "./code-of.ts";
import { type EngineContext, factsOf, nowOf } from "./context.ts";

/** What of a window becomes one. Indices count the operations of the window. */
export interface Folding {
  /** By its survivor, or by the CREATE of what is annihilated. */
  readonly units: ReadonlyMap<number, FoldUnit>;
  /** The survivor of each one that goes into another. */
  readonly survivorOf: ReadonlyMap<number, number>;
}
const GLOBAL_LANE = [""];
const NOTHING: Folding = { units: new Map(), survivorOf: new Map() };

/** Only what goes now can fold; what has ended stands in nobody's way. */
export function foldWindow(
  context: Pick<EngineContext, "settings">,
  capabilities: Parameters<typeof chooseFace>[0]["capabilities"],
  window: readonly QueuedOperation[],
  steps: readonly WindowStep[],
  ordering: Ordering,
): Folding {
  const { coalesce } = context.settings;
  if (coalesce === false || steps.length < 2) return NOTHING;
  const there = steps.filter((step) => step.do !== "forget" && step.do !== "settled_before" && step.do !== "expire");
  const candidates = there.map((step): FoldCandidate => {
    const operation = window[step.index] as QueuedOperation;
    const { seq, entityTag, content, detail } = operation;
    const { type, entityType } = content;
    return {
      seq,
      entityTag,
      content,
      resultKey: detail.edit?.last?.key ?? content.key,
      lanes: ordering === "entity" ? orderLanesOf({ entityTag, lane: content.lane }) : coalesce === "entity" ? [entityTag] : GLOBAL_LANE,
      // A group goes as it was made.
      isFree:
        step.do === "send" && operation.readable && !wasSent(operation) && detail.cancelWanted !== true && content.groupId === undefined,
      members: detail.members ?? 0,
      rules: context.settings.registry.rulesOf(entityType),
      isReplacing: chooseFace({ type, entityType, capabilities, hasRequest: true }) === "sync",
    };
  });
  const units = planFolds(candidates, joinDeclared(context)).map(({ index, members, becomes }) => ({
    index: indexIn(there, index),
    members: members.map((member) => indexIn(there, member)),
    becomes,
  }));
  return {
    units: new Map(units.map((unit) => [unit.index, unit])),
    survivorOf: new Map(units.flatMap(({ index, members }) => members.map((member) => [member, index] as const))),
  };
}

function indexIn(steps: readonly WindowStep[], at: number): number {
  return (steps[at] as WindowStep).index;
}

/** The survivor as it now is; its row says nothing of it yet. */
export function folded(context: Pick<EngineContext, "platform">, operation: QueuedOperation, fold: Fold, members: number): QueuedOperation {
  const { detail } = operation;
  const edit = editOf(fold);
  const entry = { at: nowOf(context), event: `folded in ${members}` };
  return {
    ...operation,
    content: editedContent(operation.content, edit),
    detail: {
      ...detail,
      edit,
      members: (detail.members ?? 0) + members,
      history: [...(detail.history ?? []), entry].slice(-MAX_HISTORY),
    },
  };
}

function editOf({ type, payload, before, base, last }: Fold): Edit {
  return {
    ...(type === "UPDATE" || type === "DELETE" ? { type } : {}),
    payload,
    ...(before === undefined ? {} : { before }),
    ...(base === undefined ? {} : { base }),
    last,
  };
}

/** Writes down who goes into whom; `later` is called when that is on disk. */
export function putMembers(
  { events }: Pick<EngineContext, "events">,
  change: ChangeSet,
  survivor: QueuedOperation,
  members: readonly QueuedOperation[],
  later: (tell: () => void) => void,
): void {
  for (const member of members) {
    change.move(member, "fold", { blockedBy: survivor.seq });
    later(() => events.emit({ type: "folded", operation: factsOf(member), into: survivor.content.id }));
  }
}

/** What was created and deleted before anybody heard of it. */
export function annihilate(
  { events, watchers }: Pick<EngineContext, "events" | "watchers">,
  change: ChangeSet,
  operations: readonly QueuedOperation[],
  later: (tell: () => void) => void,
): void {
  for (const operation of operations) {
    change.move(operation, "annihilate", { receipt: { outcome: "superseded" } });
    later(() => {
      events.emit({ type: "folded", operation: factsOf(operation), into: null });
      const settled = { verdict: "superseded" as const };
      watchers.tell(operation.content.id, { state: "superseded", attempts: 0, nextAttemptAt: null, lastError: null, settled });
    });
  }
}

function joinDeclared({ settings }: Pick<EngineContext, "settings">): JoinDeclared {
  return (earlier, later) => {
    const definition = settings.registry.operations.get(earlier.type);
    if (definition?.coalesce === undefined || definition.version !== earlier.version) return undefined;
    try {
      const input = checkPayload(definition.coalesce(inputOf(earlier) as never, inputOf(later) as never));
      // null: they stay apart.
      if (!input.ok || input.value === null) return undefined;
      const ref = definition.entity(input.value as never);
      if (ref.entityType !== earlier.entityType || ref.entityId !== earlier.entityId) return undefined;
      const draft: Record<string, unknown> = {};
      definition.apply?.(draft as never, input.value as never);
      const patch = checkPayload(draft);
      return patch.ok ? { input: input.value, patch: patch.value } : undefined;
    } catch (error) {
      const msg = `The function coalesce of "${earlier.type}" threw: its operations are sent one by one.`;
      settings.telemetry.logger.warning({ event_type: "coalesce_failed", msg, code: codeOf(error) });
      settings.telemetry.reportError?.(error, { code: codeOf(error) });
      return undefined;
    }
  };
}

/** The app may write into what it gets. */
function inputOf({ payload }: Foldable): Json {
  return JSON.parse(JSON.stringify((payload as JsonObject).input ?? null)) as Json;
}
