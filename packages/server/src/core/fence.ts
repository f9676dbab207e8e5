/** Who may write for a client: the holder of its highest fence, and only one holder of it. */
import type { Refusal } from "./refusal.ts";
import type { ClientRow } from "./storage.ts";

export interface Fence {
  readonly fence: number;
  readonly lease: string;
}
export type FenceVerdict =
  | { readonly kind: "current" }
  | { readonly kind: "newer" }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/**
 * Compares what a request carries with what was seen before. Each acquisition of the queue's lock raises the fence, so a lower one
 * is a processor that lost its lock and does not know it; the same fence under another lease is a copied or restored queue file.
 */
export function judgeFence(known: Pick<ClientRow, "fence" | "lease"> | null, sent: Fence): FenceVerdict {
  if (known === null || sent.fence > known.fence || known.lease === null) return { kind: "newer" };
  const details = { current_fence: known.fence, provided_fence: sent.fence };
  if (sent.fence < known.fence) {
    const message = `fence ${sent.fence} is over, ${known.fence} has written since; stop, or take the lock again`;
    return { kind: "refused", refusal: { status: 409, code: "STALE_FENCE", message, details } };
  }
  if (sent.lease !== known.lease) {
    const message = `another holder writes with fence ${sent.fence}: the queue was copied or restored; go on under a new client id`;
    return { kind: "refused", refusal: { status: 409, code: "CLIENT_FORKED", message, details } };
  }
  return { kind: "current" };
}
