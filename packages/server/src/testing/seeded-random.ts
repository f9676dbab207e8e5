import type { RandomBytes } from "@guardian-sync/protocol";

/** Bytes that are the same for the same seed: mulberry32, by Tommy Ettinger (public domain). Not for secrets. */
export function seededRandom(seed: number): RandomBytes {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return (length) => Uint8Array.from({ length }, () => next() & 0xff);
}
