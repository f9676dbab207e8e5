import { isJsonObject, type Json, type JsonObject, parseIso } from "@guardian-sync/protocol";
import type { OperationVerdict } from "../core/answer.ts";
import { retryDelayMs } from "../core/backoff.ts";
import { reconcile, type ReconcileInput, type Reconciliation } from "../core/reconcile.ts";
import type { Settlement } from "../core/settlement.ts";
import type { SendableRecord } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";
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
    // Whoever writes all the time must not keep an operation from ever coming to an end.
    const isHopeless = merges > QUICK_MERGES + backoff.maxAttempts;
    if (decided.kind === "ask" || (decided.kind === "again" && isHopeless)) {
      return decided.kind === "ask" && decided.conflicts.length > 0 ? { ...conflict, conflicts: decided.conflicts } : conflict;
    }
    if (decided.kind === "done") return { ...endedAs(record, "noop", null, conflict), ...versionOf(conflict) };
    const { payload, before, baseVersion } = decided;
    const edit = { payload, ...(before === undefined ? {} : { before }), ...(baseVersion === undefined ? {} : { baseVersion }) };
    return { ...conflict, event: "unseal", edit: { ...edit, delayMs: this.#delayMs(merges) } };
  }

  #delayMs(merges: number): number {
    const { random } = this.#context.platform;
    if (merges <= QUICK_MERGES) return Math.round(random.fraction() * JITTER_MS * merges);
    const draws = { jitter: random.fraction(), spread: random.fraction() };
    return retryDelayMs({ policy: this.#context.settings.backoff, attempt: merges - QUICK_MERGES, draws });
  }

  /** Undefined: the answer does not say what stands there. */
  #input({ operation }: SendableRecord, { current, details }: OperationVerdict): ReconcileInput | undefined {
    const { registry } = this.#context.settings;
    const { type, entityType, payload, before, base, createdAt } = operation.content;
    // Where no rule was declared, somebody who said which version they saw wants to hear that it has changed.
    if (current === undefined || (type !== "CREATE" && !registry.merges(entityType))) return undefined;
    const { client_version: sent, last_modified_at: modifiedAt } = details ?? {};
    const own = base !== undefined && "version" in base ? base.version : undefined;
    return {
      type,
      payload,
      before: isJsonObject(before) ? before : undefined,
      mineAt: createdAt,
      isConditional: base !== undefined,
      // Our server says what it took the condition for: it is restamped when it is sealed.
      sentVersion: typeof sent === "number" ? sent : sent === null ? undefined : own,
      current: { version: current.version, data: current.data },
      theirsAt: (typeof modifiedAt === "string" ? parseIso(modifiedAt) : undefined) ?? Number.NaN,
      rules: registry.rulesOf(entityType),
      onChanged: registry.entities.get(entityType)?.onChanged ?? "delete-wins",
      apply: registry.operations.get(type)?.apply as ((draft: JsonObject, input: Json) => void) | undefined,
    };
  }
}

function versionOf({ current }: OperationVerdict): { readonly version?: number } {
  return current === undefined ? {} : { version: current.version };
}
