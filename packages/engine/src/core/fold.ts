import { isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";
import { type Apply, applied } from "./apply.ts";
import type { FieldRules } from "./field-rules.ts";
import type { State } from "./lifecycle.ts";
import { mergePatch, modifiedAt } from "./merge.ts";

/** How far what is shown is from what the server holds. The worst of its operations decides. */
export type SyncState = "synced" | "pending" | "failed" | "conflict";

/** One operation that has not ended, as far as the view needs it. */
export interface LiveOperation {
  readonly type: string;
  /** A plain one: the document, or the patch. A declared one: `{ input, patch }`. */
  readonly payload: Json;
  /** `storing`: on its way to the disk. */
  readonly state: State | "storing";
  /** The snapshot contains it already, though its answer has not come. */
  readonly isEchoed?: boolean;
  /** Writes the effect of a declared one into the draft; undefined: its definition is not there, and its stored patch stands in. */
  readonly apply: Apply | undefined;
  /** Of an UPDATE that is merged with what others write; undefined: its fields simply replace. */
  readonly merge?: MergeFacts | undefined;
}
interface MergeFacts {
  /** The touched fields as its user saw them. */
  readonly before: JsonObject;
  readonly rules: FieldRules;
  /** Epoch ms of the edit. */
  readonly mineAt: number;
}

export interface Folded {
  /** null: there is no such document, or it was deleted. */
  readonly value: JsonObject | null;
  readonly syncState: SyncState;
  /** Operations whose `apply` threw: they are left out. */
  readonly broken: readonly { readonly index: number; readonly error: unknown }[];
}

/** Where an operation stays in the view. Only a definite no, and a cancellation, leave it. */
const SHOWN: ReadonlySet<LiveOperation["state"]> = new Set<LiveOperation["state"]>([
  "storing",
  "pending",
  "blocked",
  "sealed",
  "acked",
  "parked",
  "conflict",
]);
const SAYS: Readonly<Partial<Record<LiveOperation["state"], SyncState>>> = {
  storing: "pending",
  pending: "pending",
  blocked: "pending",
  sealed: "pending",
  failed: "failed",
  parked: "failed",
  quarantined: "failed",
  conflict: "conflict",
};
const RANK: readonly SyncState[] = ["synced", "pending", "failed", "conflict"];

/**
 * view = fold(snapshot, live operations): derived, so it is right after a restart, after a rollback in the middle, and after
 * somebody else's change below. `operations` in order. Touches neither its arguments nor their parts.
 */
export function fold(snapshot: JsonObject | null, operations: readonly LiveOperation[]): Folded {
  let value = snapshot;
  let rank = 0;
  const broken: { index: number; error: unknown }[] = [];
  operations.forEach((operation, index) => {
    rank = Math.max(rank, RANK.indexOf(SAYS[operation.state] ?? "synced"));
    if (!isShown(operation)) return;
    try {
      value = effect(value, operation);
    } catch (error) {
      // The app's own function: whatever it throws, a page must go on.
      broken.push({ index, error });
      rank = Math.max(rank, RANK.indexOf("failed"));
    }
  });
  return { value, syncState: RANK[rank] as SyncState, broken };
}

/** It is on top of the snapshot: neither gone nor contained in it. */
export function isShown({ state, isEchoed }: LiveOperation): boolean {
  return SHOWN.has(state) && isEchoed !== true;
}

function effect(value: JsonObject | null, operation: LiveOperation): JsonObject | null {
  const { type, payload, apply } = operation;
  switch (type) {
    case "DELETE":
      return null;
    case "CREATE":
      return isJsonObject(payload) ? payload : value;
    case "UPDATE":
      // Of what is not there, or was deleted by somebody else: the server will say what becomes of it.
      return value === null || !isJsonObject(payload) ? value : { ...value, ...mergedOnto(value, payload, operation.merge) };
    default: {
      const { input = null, patch = null } = isJsonObject(payload) ? payload : {};
      if (apply === undefined) return isJsonObject(patch) ? { ...value, ...patch } : value;
      return applied(value, apply, input);
    }
  }
}

/** As the server will hold it once it is merged, so that nothing jumps then. Of what a person has to decide, mine is shown. */
function mergedOnto(theirs: JsonObject, mine: JsonObject, merge: MergeFacts | undefined): JsonObject {
  if (merge === undefined) return mine;
  const { patch, conflicts } = mergePatch({ ...merge, mine, theirs, theirsAt: modifiedAt(theirs) });
  if (conflicts.length === 0) return patch;
  const isAsked = (name: string): boolean =>
    conflicts.some(({ path }) => path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`));
  return { ...patch, ...Object.fromEntries(Object.entries(mine).filter(([name]) => isAsked(name))) };
}
