import { SyncError } from "@guardian-sync/protocol";
import { encodeContent, type OperationContent, packSegment } from "../format/index.ts";
import type { AccountTag, Clock, EntityTag, KeyRing, MaybePromise, NewSegment, QueueStore, Seq } from "../ports/index.ts";

/** Larger groups gain nothing more from one fsync, and make a segment slower to open. */
const MAX_OPERATIONS_PER_SEGMENT = 1000;
const MAX_BYTES_PER_SEGMENT = 1024 * 1024;
const MAX_OPERATIONS_PER_COMMIT = 1000;

export interface AppendEntry {
  readonly account: AccountTag;
  readonly operations: readonly OperationContent[];
  readonly entityTags: readonly EntityTag[];
  /** JSON of each payload. */
  readonly payloadTexts: readonly string[];
}

interface Waiting extends AppendEntry {
  readonly lines: readonly string[];
  readonly resolve: (seqs: readonly Seq[]) => void;
  readonly reject: (error: unknown) => void;
}

export interface GroupCommitWorld {
  readonly store: QueueStore;
  readonly keys: KeyRing;
  readonly clock: Clock;
  readonly newUuid: () => string;
}

/**
 * Callers of one turn share one commit, with no timer: the commit that runs is the linger. Call order is seq order.
 * An entry of several operations is all or nothing. When a shared commit fails, its entries are tried alone, so that one
 * caller's bad luck is not another's.
 */
export class GroupCommit {
  readonly #world: GroupCommitWorld;
  #waiting: Waiting[] = [];
  #running = false;
  #onIdle: (() => void)[] = [];

  constructor(world: GroupCommitWorld) {
    this.#world = world;
  }

  /** Resolves with one seq per operation once they are on disk. */
  append(entry: AppendEntry): Promise<readonly Seq[]> {
    const lines = entry.operations.map((operation, index) => encodeContent(operation, entry.payloadTexts[index]));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...entry, lines, resolve, reject });
      if (this.#running) return;
      this.#running = true;
      this.#world.clock.defer(() => void this.#drain());
    });
  }

  /** Resolves when everything appended so far has had its verdict. */
  settle(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      if (await this.#commit(group, group.length === 1)) continue;
      for (const alone of group) await this.#commit([alone], true);
    }
    this.#running = false;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #takeGroup(): Waiting[] {
    let operations = 0;
    let entries = 0;
    for (const entry of this.#waiting) {
      operations += entry.lines.length;
      if (entries > 0 && operations > MAX_OPERATIONS_PER_COMMIT) break;
      entries += 1;
    }
    return this.#waiting.splice(0, entries);
  }

  /** Whether every entry has its verdict. A failure reaches the callers only when `final`. */
  async #commit(group: readonly Waiting[], final: boolean): Promise<boolean> {
    let seqs: readonly Seq[];
    try {
      const packed = this.#pack(group);
      const segments = packed.some((segment) => segment instanceof Promise)
        ? await Promise.all(packed.map(async (segment) => segment))
        : (packed as NewSegment[]);
      const firsts = await this.#world.store.append(segments);
      seqs = seqsOf(segments, firsts);
    } catch (error) {
      if (!final) return false;
      for (const entry of group) entry.reject(asSyncError(error));
      return true;
    }
    let offset = 0;
    for (const entry of group) {
      entry.resolve(seqs.slice(offset, offset + entry.lines.length));
      offset += entry.lines.length;
    }
    return true;
  }

  #pack(group: readonly Waiting[]): MaybePromise<NewSegment>[] {
    const segments: MaybePromise<NewSegment>[] = [];
    let open: { account: AccountTag; lines: string[]; tags: EntityTag[]; idMin: string; idMax: string; bytes: number } | undefined;
    const close = (): void => {
      if (open === undefined) return;
      const { account, lines, tags, idMin, idMax } = open;
      segments.push(
        packSegment(this.#world.keys, this.#world.store.storeId, this.#world.newUuid(), account, lines, { idMin, idMax }, tags),
      );
      open = undefined;
    };
    for (const entry of group) {
      for (let i = 0; i < entry.lines.length; i++) {
        const line = entry.lines[i] as string;
        const id = (entry.operations[i] as OperationContent).id;
        if (
          open === undefined ||
          open.account !== entry.account ||
          open.lines.length >= MAX_OPERATIONS_PER_SEGMENT ||
          open.bytes + line.length > MAX_BYTES_PER_SEGMENT
        ) {
          close();
          open = { account: entry.account, lines: [], tags: [], idMin: id, idMax: id, bytes: 0 };
        }
        open.lines.push(line);
        open.tags.push(entry.entityTags[i] as EntityTag);
        if (id < open.idMin) open.idMin = id;
        if (id > open.idMax) open.idMax = id;
        open.bytes += line.length;
      }
    }
    close();
    return segments;
  }
}

function seqsOf(segments: readonly NewSegment[], firsts: readonly Seq[]): readonly Seq[] {
  const seqs: Seq[] = [];
  segments.forEach(({ count }, index) => {
    for (let i = 0; i < count; i++) seqs.push(((firsts[index] as number) + i) as Seq);
  });
  return seqs;
}

function asSyncError(error: unknown): SyncError {
  if (error instanceof SyncError) return error;
  return new SyncError("STORAGE_UNAVAILABLE", "The operation could not be written to the queue. Nothing was queued; try again.", {
    retryable: true,
    cause: error,
  });
}
