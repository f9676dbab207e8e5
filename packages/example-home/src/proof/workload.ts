/** What the users of a home do: create devices, change them over and over, record heart rates; alone, together and in bulk. */
import { SeededRandom } from "guardian-sync/testing";
import type { EnqueueInput, Operation, SyncEngine } from "guardian-sync";
import { recordHeartRate } from "./home.ts";
import type { Acknowledged } from "./oracle.ts";

export interface WorkloadOptions {
  readonly seed: number | string;
  /** Of the entities' ids: no other workload may write to them. */
  readonly prefix: string;
  /** Told of every operation whose `stored` has resolved. */
  readonly onAcknowledged: (acknowledged: Acknowledged) => void;
}

const DEVICES = 4;
const MONITORS = 2;

export class Workload {
  readonly #sync: SyncEngine;
  readonly #options: WorkloadOptions;
  readonly #random: SeededRandom;
  readonly #numbers = new Map<string, number>();
  readonly #seqs = new Map<string, number>();

  constructor(sync: SyncEngine, options: WorkloadOptions) {
    this.#sync = sync;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    sync.on("enqueued", ({ operation }) => this.#seqs.set(operation.operationId, operation.seq));
  }

  /** Enqueues `count` operations in one of the ways that an app has, and resolves when all of them are on disk. */
  async step(count: number = this.#random.integer(1, 8)): Promise<void> {
    const way = this.#random.integer(0, 2);
    if (way === 0) {
      const operations = await this.#sync.enqueueMany(Array.from({ length: count }, () => this.#write()));
      for (const operation of operations) this.#acknowledge(operation);
    } else if (way === 1) {
      await Promise.all(Array.from({ length: count }, () => this.#one()));
    } else {
      for (let i = 0; i < count; i++) await this.#one();
    }
  }

  async #one(): Promise<void> {
    if (this.#random.chance(0.3)) {
      const monitor = `${this.#options.prefix}-m${this.#random.integer(1, MONITORS)}`;
      const operation = this.#sync.run(recordHeartRate, { monitor_id: monitor, bpm: this.#random.integer(50, 120) });
      await operation.stored;
      this.#acknowledge(operation);
    } else {
      this.#acknowledge(await this.#sync.enqueue(this.#write()));
    }
  }

  /** The next write of some device: its creation first, then its updates by number. */
  #write(): EnqueueInput {
    const entityId = `${this.#options.prefix}-d${this.#random.integer(1, DEVICES)}`;
    const n = (this.#numbers.get(entityId) ?? 0) + 1;
    this.#numbers.set(entityId, n);
    if (n === 1) return { type: "CREATE", entityType: "device", entityId, payload: { name: "lamp", n } };
    return { type: "UPDATE", entityType: "device", entityId, payload: { n } };
  }

  #acknowledge({ id }: Operation): void {
    const seq = this.#seqs.get(id);
    if (seq === undefined) throw new Error(`operation ${id} is stored, but no event named its seq`);
    this.#seqs.delete(id);
    this.#options.onAcknowledged({ id, seq });
  }
}
