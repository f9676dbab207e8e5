import { isJsonObject, type Json, parseEtag, parseIso } from "@guardian-sync/protocol";
import type { OperationVerdict } from "../core/answer.ts";
import { type Apply, frozen } from "../core/apply.ts";
import { retryDelayMs } from "../core/backoff.ts";
import { faceOf, restRequest } from "../core/render.ts";
import { type Fault, modifiedAt } from "../core/merge.ts";
import { reconcile, type ReconcileInput, type Reconciliation } from "../core/reconcile.ts";
import type { Settlement } from "../core/settlement.ts";
import type { Edit } from "../format/index.ts";
import type { SendableRecord } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";
import { currentInput } from "./current-input.ts";
import { endedAs } from "./ended-as.ts";

/** Merges in a row that follow each other at once, but for their jitter: others write at the same time. */
const QUICK_MERGES = 8;
const JITTER_MS = 250;

/** Decides by the rules of its entity what becomes of an operation that met somebody else's write; what no rule decides is kept for a person. */
export class Reconciler {
  readonly #context: EngineContext;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  decide(records: readonly SendableRecord[], settlement: Settlement): Settlement {
    const isMet = ({ verdict }: Settlement["moves"][number]): boolean => verdict.event === "conflict" && verdict.current !== undefined;
    if (!settlement.moves.some(isMet)) return settlement;
    const moves = settlement.moves.map((move) =>
      isMet(move) ? { index: move.index, verdict: this.#verdict(records[move.index] as SendableRecord, move.verdict) } : move,
    );
    return { ...settlement, moves };
  }

  #verdict(record: SendableRecord, conflict: OperationVerdict): OperationVerdict {
    const { detail } = record.operation;
    const input = this.#input(record, conflict);
    const merges = (detail.merges ?? 0) + 1;
    const { backoff } = this.#context.settings;
    const decided: Reconciliation = input === undefined ? { kind: "ask", conflicts: [] } : reconcile(input);
    if (decided.kind === "ask") this.#report(record, decided.faults ?? []);
    // Whoever writes all the time must not keep an operation from ever coming to an end.
    const isHopeless = merges > QUICK_MERGES + backoff.maxAttempts;
    if (decided.kind === "ask" || (decided.kind === "again" && isHopeless)) {
      return decided.kind === "ask" && decided.conflicts.length > 0 ? { ...conflict, conflicts: decided.conflicts } : conflict;
    }
    if (decided.kind === "done") return { ...endedAs(record, "noop", null, conflict), ...versionOf(conflict) };
    const { payload, before, baseVersion } = decided;
    const base = baseVersion === undefined ? {} : { base: { version: baseVersion } };
    const edit = { payload, ...typeOf(detail.edit), ...(before === undefined ? {} : { before }), ...base };
    return { ...conflict, event: "unseal", edit: { ...edit, delayMs: this.#delayMs(merges) } };
  }

  /** It ends as a conflict whatever was thrown; only the app's own people can mend why. */
  #report({ operation: { content } }: SendableRecord, faults: readonly Fault[]): void {
    const { logger, reportError } = this.#context.settings.telemetry;
    for (const { where, error } of faults) {
      const msg = `While "${content.type}" of "${content.entityType}" was merged, ${where === "apply" ? "its apply" : `the policy of "${where}"`} threw. A person decides.`;
      logger.error({ event_type: "merge_failed", msg, code: "APPLY_FAILED", operation_id: content.id });
      reportError?.(error, { code: "APPLY_FAILED" });
    }
  }

  #delayMs(merges: number): number {
    const { random } = this.#context.platform;
    if (merges <= QUICK_MERGES) return Math.round(random.fraction() * JITTER_MS * merges);
    const draws = { jitter: random.fraction(), spread: random.fraction() };
    return retryDelayMs({ policy: this.#context.settings.backoff, attempt: merges - QUICK_MERGES, draws });
  }

  /** Undefined: the answer does not say what stands there. */
  #input({ operation, text }: SendableRecord, { current, details, code }: OperationVerdict): ReconcileInput | undefined {
    const { registry } = this.#context.settings;
    const { detail } = operation;
    const { type, entityType, payload, before, base, createdAt } = operation.content;
    const now = currentInput(registry, operation.content);
    // Where no rule was declared, somebody who said which version they saw wants to hear that it has changed.
    if (current === undefined || (type !== "CREATE" && !registry.merges(entityType))) return undefined;
    const { client_version: sent, last_modified_at: changedAt } = details ?? {};
    // A route took the condition that went with it, and says no more of it.
    const own =
      faceOf(text) === "rest" ? parseEtag(restRequest(text).ifMatch) : base !== undefined && "version" in base ? base.version : undefined;
    return {
      type,
      payload,
      before: isJsonObject(before) ? before : undefined,
      mineAt: detail.edit?.last?.at ?? createdAt,
      // One that was refused because it had no condition goes again with one.
      isConditional: base !== undefined || code === "PRECONDITION_REQUIRED",
      // Our server says what it took the condition for: it is restamped when it is sealed.
      sentVersion: typeof sent === "number" ? sent : sent === null ? undefined : own,
      current: { version: current.version, data: current.data },
      theirsAt: (typeof changedAt === "string" ? parseIso(changedAt) : undefined) ?? modifiedAt(current.data),
      rules: registry.rulesOf(entityType),
      onChanged: registry.entities.get(entityType)?.onChanged ?? "delete-wins",
      // What is stored keeps the version that wrote it: it is converted wherever it is used.
      apply: now.ok && now.apply !== undefined ? withInput(now.apply, now.input) : undefined,
    };
  }
}

function withInput(apply: Apply, input: Json): Apply {
  frozen(input);
  return (draft) => apply(draft, input);
}

/** What it has become stays so, whatever is merged. */
function typeOf(edit: Edit | undefined): Pick<Edit, "type"> {
  return edit?.type === undefined ? {} : { type: edit.type };
}

function versionOf({ current }: OperationVerdict): { readonly version?: number } {
  return current === undefined ? {} : { version: current.version };
}
