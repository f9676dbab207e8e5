import { isUuid, type OperationId, SyncError } from "@guardian-sync/protocol";

/** An operation that has to be applied first: its handle, its id, or its place among the inputs of the same call. */
export type Dependency = { readonly id: string } | string | number;

/** Each of them is looked up when its child is sent. */
const MAX_PARENTS = 32;

/**
 * Ids of what an operation depends on. `earlier`: the ids of the inputs before it in the same call. An operation can depend only on
 * what was made before it, so that no cycle can ever be built.
 */
export function dependencyIds(what: string, dependsOn: unknown, earlier: readonly OperationId[]): readonly string[] | undefined {
  if (dependsOn === undefined) return undefined;
  if (!Array.isArray(dependsOn)) throw invalid(`${what}: dependsOn must be an array of operations`);
  const ids = new Set(dependsOn.map((one: unknown) => idOf(what, one, earlier)));
  if (ids.size > MAX_PARENTS) throw invalid(`${what}: dependsOn names ${ids.size} operations; at most ${MAX_PARENTS} are possible`);
  return ids.size === 0 ? undefined : [...ids];
}

function idOf(what: string, one: unknown, earlier: readonly OperationId[]): string {
  if (typeof one === "number") {
    const id = earlier[one];
    if (id !== undefined) return id;
    if (Number.isSafeInteger(one) && one >= 0)
      throw invalid(
        `${what}: dependency cycle: it stands at ${earlier.length} in this call and may depend only on what stands before it, got ${one}`,
      );
  }
  const id = typeof one === "object" && one !== null ? (one as { readonly id?: unknown }).id : one;
  if (typeof id === "string" && isUuid(id)) return id;
  throw invalid(`${what}: dependsOn takes operations, their ids, or places of earlier inputs of the same call, got ${typeof one}`);
}

function invalid(message: string): SyncError {
  return new SyncError("INVALID_OPERATION", `${message}. Nothing was queued.`);
}
