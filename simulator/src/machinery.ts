/** What the simulation borrows from the real machine. It has no clock, no randomness and no network among it. */
export interface Machinery {
  /** Lowercase hex, at once. */
  sha256Hex(text: string): string;
  newDigest(): Digest;
  /** Errors that nobody handles (rejected promises without a reader) go to `listener` while a run lasts; null ends that. */
  watchStrayErrors(listener: ((error: unknown) => void) | null): void;
}

/** A running SHA-256. */
export interface Digest {
  add(text: string): void;
  /** Lowercase hex; ends the digest. */
  finish(): string;
}
