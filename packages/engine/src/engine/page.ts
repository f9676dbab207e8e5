import type { Seq } from "../ports/index.ts";

/** Which part of a list: lists of a queue may be longer than memory. */
export interface Page {
  /** Rows after this seq. */
  readonly after?: number;
  /** At most 500. Default 50. */
  readonly limit?: number;
}

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 500;

export function pageOf({ after = 0, limit = DEFAULT_LIMIT }: Page): { readonly after: Seq | 0; readonly limit: number } {
  return { after: after as Seq, limit: Math.min(MAX_LIMIT, limit) };
}
