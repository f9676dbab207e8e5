import { isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";
import type { State } from "./lifecycle.ts";

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
  readonly apply: ((draft: JsonObject, input: Json) => void) | undefined;
}

export interface Folded {
  /** null: there is no such document, or it was deleted. */
  readonly value: JsonObject | null;
  readonly syncState: SyncState;
  /** Operations whose `apply` threw, by index: they are left out. */
  readonly broken: readonly number[];
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
  const broken: number[] = [];
  operations.forEach((operation, index) => {
    rank = Math.max(rank, RANK.indexOf(SAYS[operation.state] ?? "synced"));
    if (!isShown(operation)) return;
    try {
      value = effect(value, operation);
    } catch {
      // The app's own function: whatever it throws, a page must go on.
      broken.push(index);
      rank = Math.max(rank, RANK.indexOf("failed"));
    }
  });
  return { value, syncState: RANK[rank] as SyncState, broken };
}

/** It is on top of the snapshot: neither gone nor contained in it. */
export function isShown({ state, isEchoed }: LiveOperation): boolean {
  return SHOWN.has(state) && isEchoed !== true;
}

function effect(value: JsonObject | null, { type, payload, apply }: LiveOperation): JsonObject | null {
  switch (type) {
    case "DELETE":
      return null;
    case "CREATE":
      return isJsonObject(payload) ? payload : value;
    case "UPDATE":
      // Of what is not there, or was deleted by somebody else: the server will say what becomes of it.
      return value === null || !isJsonObject(payload) ? value : { ...value, ...payload };
    default: {
      const { input = null, patch = null } = isJsonObject(payload) ? payload : {};
      if (apply === undefined) return isJsonObject(patch) ? { ...value, ...patch } : value;
      const draft = copy(value ?? {}) as JsonObject;
      apply(draft, copy(input));
      return draft;
    }
  }
}

/** The app may write into what it gets: not into what is kept. */
function copy(value: Json): Json {
  if (Array.isArray(value)) return value.map(copy);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copy(member)]));
}
