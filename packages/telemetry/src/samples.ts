/** How many latencies are kept for rolling figures. */
export const MAX_LATENCY_SAMPLES = 1000;

/** The last so many values, in a ring that never grows: rolling mean and percentiles. */
export class RollingSamples {
  readonly #ring: Float64Array;
  #next = 0;
  #count = 0;

  /** @throws RangeError if `capacity` is not a positive integer. */
  constructor(capacity: number = MAX_LATENCY_SAMPLES) {
    if (!Number.isInteger(capacity) || capacity < 1) throw new RangeError(`capacity must be >= 1, got ${capacity}`);
    this.#ring = new Float64Array(capacity);
  }

  /** At most the capacity. */
  get count(): number {
    return this.#count;
  }

  add(value: number): void {
    if (!Number.isFinite(value)) return;
    this.#ring[this.#next] = value;
    this.#next = (this.#next + 1) % this.#ring.length;
    if (this.#count < this.#ring.length) this.#count += 1;
  }

  /** NaN when there is nothing. */
  mean(): number {
    let sum = 0;
    for (let i = 0; i < this.#count; i++) sum += this.#ring[i] as number;
    return sum / this.#count;
  }

  /** Nearest rank: the smallest value that at least the share `q` (0–1) does not exceed. NaN when there is nothing. */
  quantile(q: number): number {
    if (this.#count === 0) return Number.NaN;
    const sorted = this.#ring.slice(0, this.#count).sort();
    return sorted[Math.max(0, Math.ceil(Math.min(1, q) * this.#count) - 1)] as number;
  }
}
