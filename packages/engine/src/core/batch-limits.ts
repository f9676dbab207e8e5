/** The smaller of what the options, the server and the protocol allow. */
export interface BatchLimits {
  readonly maxOperations: number;
  readonly maxBytes: number;
}

/** Room for the envelope, the lease, and what is injected into the operations. */
export const ENVELOPE_BYTES = 1024;

/** The limits of all who have a say. */
export function tightest(...limits: readonly BatchLimits[]): BatchLimits {
  return {
    maxOperations: Math.min(...limits.map((one) => one.maxOperations)),
    maxBytes: Math.min(...limits.map((one) => one.maxBytes)),
  };
}

/** `bytes`: of the texts of its members. The bounds are those that do not rise again by themselves. */
export function fitsOneRequest({ count, bytes }: { readonly count: number; readonly bytes: number }, limits: BatchLimits): boolean {
  return count <= limits.maxOperations && bytes <= limits.maxBytes - ENVELOPE_BYTES;
}
