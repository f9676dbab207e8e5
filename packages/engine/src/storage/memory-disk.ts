import type {
  AccountRow,
  AccountTag,
  EntityRow,
  EntityTag,
  LaneRow,
  LockRow,
  PackRow,
  ReceiptRow,
  SegmentRow,
  StateRow,
} from "../ports/index.ts";
import { MemoryTable, OrderedTable, UndoLog } from "./memory-table.ts";

/** Which connection wrote: the others see `dataVersion` change. */
export interface MemoryConnection {
  ownWrites: number;
}

/**
 * What a disk is to a file store: it outlives the engines that use it. Give one disk to several `memoryStore`s, one after
 * the other (a restart) or at once (two processes on one queue file).
 */
export class MemoryDisk {
  readonly #undo = new UndoLog();
  #writes = 0;
  /** Made by the first store that opens the disk. */
  identity: { readonly storeId: string; readonly tagKey: Uint8Array } | undefined;
  /** Who holds the fast lock. */
  fastLockHolder: object | undefined;
  nextSeq = 1;
  /** Orders the receipts; has no meaning outside. */
  nextReceipt = 1;
  lock: LockRow | undefined;
  readonly accounts: MemoryTable<AccountTag, AccountRow> = new MemoryTable(this.#undo);
  readonly segments: OrderedTable<SegmentRow> = new OrderedTable(this.#undo);
  readonly states: OrderedTable<StateRow> = new OrderedTable(this.#undo);
  readonly packs: MemoryTable<string, PackRow> = new MemoryTable(this.#undo);
  readonly lanes: MemoryTable<string, LaneRow> = new MemoryTable(this.#undo);
  readonly entities: MemoryTable<string, EntityRow> = new MemoryTable(this.#undo);
  readonly receipts: OrderedTable<ReceiptRow> = new OrderedTable(this.#undo);
  readonly meta: MemoryTable<string, Uint8Array> = new MemoryTable(this.#undo);

  /** Everything that `change` does, or nothing when it throws. */
  transaction<T>(connection: MemoryConnection, change: () => T): T {
    const { nextSeq, lock } = this;
    try {
      const result = change();
      if (!this.#undo.isEmpty || this.lock !== lock) {
        this.#writes += 1;
        connection.ownWrites += 1;
      }
      this.#undo.forget();
      return result;
    } catch (error) {
      this.#undo.rollBack();
      this.nextSeq = nextSeq;
      this.lock = lock;
      throw error;
    }
  }

  dataVersion(connection: MemoryConnection): number {
    return this.#writes - connection.ownWrites;
  }

  purgeReceipts(before: number, limit: number): number {
    const old: number[] = [];
    for (const [key, row] of this.receipts.entries()) {
      if (old.length >= limit) break;
      if (row.settledAt < before) old.push(key);
    }
    for (const key of old) this.receipts.delete(key);
    return old.length;
  }

  /** Bytes of the bodies; what the rows around them take is not known here. */
  sizeBytes(): number {
    let bytes = 0;
    for (const table of [this.segments.from(0), this.packs.values(), this.receipts.from(0)]) {
      for (const { body } of table) bytes += body.length;
    }
    return bytes;
  }

  /** The disk as it is now, to open later: a backup, or the state before a crash. Locks that processes hold are not on it. */
  copy(): MemoryDisk {
    const copy = new MemoryDisk();
    copy.identity = this.identity;
    copy.nextSeq = this.nextSeq;
    copy.nextReceipt = this.nextReceipt;
    copy.lock = this.lock;
    copy.accounts.copyFrom(this.accounts);
    copy.segments.copyFrom(this.segments);
    copy.states.copyFrom(this.states);
    copy.packs.copyFrom(this.packs);
    copy.lanes.copyFrom(this.lanes);
    copy.entities.copyFrom(this.entities);
    copy.receipts.copyFrom(this.receipts);
    copy.meta.copyFrom(this.meta);
    return copy;
  }
}

export function laneKey(account: AccountTag, lane: EntityTag | ""): string {
  return `${account} ${lane}`;
}
export function entityKey(account: AccountTag, entityTag: EntityTag): string {
  return `${account} ${entityTag}`;
}
