import { canonicalJson, isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";
import { type Apply, applied } from "./apply.ts";
import type { FieldRules } from "./field-rules.ts";
import { checkPayload } from "./payload.ts";
import { type Fault, type FieldConflict, mergePatch } from "./merge.ts";

export interface ReconcileInput {
  readonly type: string;
  /** CREATE: the document; UPDATE: the patch; declared: `{ input, patch }`. */
  readonly payload: Json;
  /** The touched fields when the edit was made; undefined: nobody knows. */
  readonly before: JsonObject | undefined;
  /** Epoch ms of the edit. */
  readonly mineAt: number;
  /** A condition went with it: what the server is to hold. */
  readonly isConditional: boolean;
  /** The version that the server took the condition for; undefined: it knew none, because what it was to follow left none. */
  readonly sentVersion: number | undefined;
  /** What stands on the server. `data` null: nothing, any more or yet. */
  readonly current: { readonly version: number; readonly data: JsonObject | null };
  /** Epoch ms of the server's last change; NaN: not known. */
  readonly theirsAt: number;
  readonly rules: FieldRules;
  /** What becomes of a DELETE of what somebody else has changed. */
  readonly onChanged: "delete-wins" | "ask";
  /** The effect of a declared operation; undefined: a plain one. */
  readonly apply: Apply | undefined;
}

/** What becomes of an operation that met somebody else's write. */
export type Reconciliation =
  /** The server holds what it wanted. */
  | { readonly kind: "done" }
  /** It goes once more, under a new key, as it now has to be. `baseVersion` undefined: without a condition. */
  | { readonly kind: "again"; readonly payload: Json; readonly before: JsonObject | undefined; readonly baseVersion: number | undefined }
  /** A person decides. Without fields it is about the whole entity. `faults`: because of what functions of the app threw. */
  | { readonly kind: "ask"; readonly conflicts: readonly FieldConflict[]; readonly faults?: readonly Fault[] };

const ASK = { kind: "ask", conflicts: [] } as const satisfies Reconciliation;

/** Decides by what the operation is, what it saw, and what is there now. Touches neither its arguments nor their parts. */
export function reconcile(input: ReconcileInput): Reconciliation {
  switch (input.type) {
    case "CREATE":
      return reconcileCreate(input);
    case "UPDATE":
      return reconcileUpdate(input);
    case "DELETE":
      return reconcileDelete(input);
    default:
      return reconcileDeclared(input);
  }
}

function reconcileCreate({ payload, current, rules, mineAt, theirsAt }: ReconcileInput): Reconciliation {
  const { data } = current;
  if (data === null) return { kind: "again", payload, before: undefined, baseVersion: undefined };
  if (!isJsonObject(payload)) return ASK;
  const { patch, ...asked } = mergePatch({ before: undefined, mine: payload, theirs: data, rules, mineAt, theirsAt });
  if (asked.conflicts.length > 0) return { kind: "ask", ...asked };
  // A second document cannot be made there: what would still have to be written is for a person to decide.
  const mine = Object.keys(patch).map((path) => ({ path, before: undefined, mine: payload[path], theirs: data[path] }));
  return mine.length === 0 ? { kind: "done" } : { kind: "ask", conflicts: mine };
}

function reconcileUpdate({
  payload,
  before,
  current,
  isConditional,
  sentVersion,
  rules,
  mineAt,
  theirsAt,
}: ReconcileInput): Reconciliation {
  const { data, version } = current;
  // Without a condition, or with one that fits, the server has a reason of its own.
  if (data === null || !isJsonObject(payload) || !isConditional || sentVersion === version) return ASK;
  const { patch, ...asked } = mergePatch({ before, mine: payload, theirs: data, rules, mineAt, theirsAt });
  if (asked.conflicts.length > 0) return { kind: "ask", ...asked };
  if (Object.keys(patch).length === 0) return { kind: "done" };
  return { kind: "again", payload: patch, before: touched(data, patch), baseVersion: version };
}

function reconcileDelete({ payload, current, isConditional, sentVersion, onChanged }: ReconcileInput): Reconciliation {
  if (current.data === null) return { kind: "done" };
  if (!isConditional || sentVersion === current.version) return ASK;
  return onChanged === "ask" ? ASK : { kind: "again", payload, before: undefined, baseVersion: current.version };
}

function reconcileDeclared({ payload, current, isConditional, sentVersion, apply }: ReconcileInput): Reconciliation {
  const { data, version } = current;
  if (!isConditional || sentVersion === version || !isJsonObject(payload)) return ASK;
  if (apply === undefined) return { kind: "again", payload, before: undefined, baseVersion: version };
  let draft: JsonObject;
  try {
    const checked = checkPayload(applied(data, apply, payload.input ?? null));
    if (!checked.ok) throw new TypeError(`what apply wrote ${checked.problem}`);
    draft = checked.value as JsonObject;
  } catch (error) {
    // The app's own function: what it cannot apply to what is there, a person decides.
    return { ...ASK, faults: [{ where: "apply", error }] };
  }
  const patch = Object.fromEntries(Object.entries(draft).filter(([name, value]) => !isSame(value, data?.[name])));
  return { kind: "again", payload: { ...payload, patch }, before: touched(data ?? {}, patch), baseVersion: version };
}

function touched(document: JsonObject, patch: JsonObject): JsonObject {
  return Object.fromEntries(Object.keys(patch).flatMap((name) => (Object.hasOwn(document, name) ? [[name, document[name] as Json]] : [])));
}

function isSame(a: Json, b: Json | undefined): boolean {
  return b !== undefined && canonicalJson(a) === canonicalJson(b);
}
