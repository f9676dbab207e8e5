import type { Random } from "../ports/index.ts";

/**
 * Random numbers that a seed determines on every platform: sfc32 (Doty-Humphrey, PractRand), seeded by an FNV-1a hash of the
 * seed's text. For tests and simulation; not for keys.
 */
export class SeededRandom implements Random {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number | string) {
    this.#seed = String(seed);
    this.#a = hash(this.#seed, 0x811c9dc5);
    this.#b = hash(this.#seed, 0x9747b28c);
    this.#c = hash(this.#seed, 0x3c6ef372);
    for (let i = 0; i < 15; i++) this.#next();
  }

  /** A stream of its own for one purpose: draws from it do not move this one, or any other. */
  fork(purpose: string): SeededRandom {
    return new SeededRandom(`${this.#seed}/${purpose}`);
  }

  fraction(): number {
    return this.#next() / 2 ** 32;
  }
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i += 4) {
      let word = this.#next();
      for (let j = i; j < Math.min(i + 4, length); j++) {
        bytes[j] = word & 0xff;
        word >>>= 8;
      }
    }
    return bytes;
  }

  chance(probability: number): boolean {
    return probability > 0 && this.fraction() < probability;
  }
  /** Uniform among the whole numbers from `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1));
  }
  /** Uniform in [min, max). */
  between(min: number, max: number): number {
    return min + this.fraction() * (max - min);
  }
  /** @throws RangeError if there is nothing to pick from. */
  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new RangeError("nothing to pick from");
    return choices[this.integer(0, choices.length - 1)] as T;
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) >>> 0;
    this.#counter = (this.#counter + 1) >>> 0;
    this.#a = (this.#b ^ (this.#b >>> 9)) >>> 0;
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0;
    return sum;
  }
}

function hash(text: string, start: number): number {
  let value = start;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return (value ^ (value >>> 15)) >>> 0;
}
