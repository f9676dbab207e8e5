import type { Capabilities } from "./handshake.ts";

/** The sync face takes many operations in one request; a REST face takes one. */
export type Face = "sync" | "rest";

export interface FaceInput {
  readonly type: string;
  readonly entityType: string;
  readonly capabilities: Pick<Capabilities, "level" | "namedOperations" | "collections">;
  /** The definition (or the configured route) says how to reach a REST backend. */
  readonly hasRequest: boolean;
}

/**
 * A plain operation goes by the sync face where the backend knows its collection; a declared one, where it knows its name.
 * Otherwise by its own `request`, alone. `none`: nothing says where it goes.
 */
export function chooseFace({ type, entityType, capabilities, hasRequest }: FaceInput): Face | "none" {
  const { level, namedOperations, collections } = capabilities;
  const isPlain = type === "CREATE" || type === "UPDATE" || type === "DELETE";
  if (level === 4 && (isPlain ? Object.hasOwn(collections, entityType) : namedOperations.includes(type))) return "sync";
  return hasRequest ? "rest" : "none";
}
