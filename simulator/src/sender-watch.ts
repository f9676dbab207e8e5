import type { Change, LockRow } from "./gated-store.ts";
import type { Report } from "./model.ts";

interface Holder {
  readonly process: string;
  readonly fence: number;
}

/**
 * INV6: one effective sender per queue. Who holds a lock is read off the disk, not off what a process says of itself: a process that
 * sends under somebody else's fence is seen through.
 */
export class SenderWatch {
  readonly #report: Report;
  /** Highest fence ever on each device's disk. */
  readonly #fences = new Map<string, number>();
  /** The fence that each process last took. */
  readonly #taken = new Map<string, number>();
  /** The last holder whose operations took effect, per client of the server. */
  readonly #lastEffect = new Map<string, Holder>();
  #takeovers = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  get takeovers(): number {
    return this.#takeovers;
  }

  lockWritten(device: string, process: string, row: LockRow): void {
    const before = this.#fences.get(device) ?? 0;
    if (row.fence < before) this.#report("INV6", `${process} wrote lock fence ${row.fence} over ${before}`);
    if (row.fence > before && before > 0) this.#takeovers += 1;
    this.#fences.set(device, row.fence);
    if (!row.released) this.#taken.set(process, row.fence);
  }

  /** The fence under which the process sends now, by what it took itself. */
  fenceOf(process: string): number {
    return this.#taken.get(process) ?? 0;
  }

  /** Call before a commit; the function returned judges its success. */
  commits(device: string, process: string, change: Change): () => void {
    const current = this.#fences.get(device) ?? 0;
    const sent = change.fence?.fence;
    return () => {
      if (sent !== undefined && sent < current) {
        this.#report("INV6", `${process} changed the queue with fence ${sent}, which ${current} had replaced`);
      }
    };
  }

  effect(client: string, by: Holder): void {
    const last = this.#lastEffect.get(client);
    if (last !== undefined && by.fence < last.fence) {
      this.#report("INV6", `${by.process} (fence ${by.fence}) had an effect after ${last.process} (fence ${last.fence})`);
      return;
    }
    if (last !== undefined && by.fence === last.fence && by.process !== last.process) {
      this.#report("INV6", `${by.process} and ${last.process} both had effects under fence ${by.fence}`);
    }
    this.#lastEffect.set(client, by);
  }
}
