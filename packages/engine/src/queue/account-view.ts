import { stateOf } from "../core/lifecycle.ts";
import { MAX_MEMBERS } from "../core/max-members.ts";
import { holdsEntity } from "../core/holds-entity.ts";
import {
  type AccountDetail,
  decodeReceipts,
  type EntityDocument,
  type OperationContent,
  openJson,
  openSealed,
  parseContent,
  parseStateDetail,
  type Receipt,
  type StateDetail,
} from "../format/index.ts";
import type {
  AccountRow,
  AccountTag,
  EntityRow,
  EntityTag,
  LaneRow,
  PackRow,
  Phase,
  ReceiptRow,
  Seq,
  SeqRange,
  StateRow,
} from "../ports/index.ts";
import { openDocument } from "./documents.ts";
import { orNull, orNullNow } from "./or-null.ts";
import { editedContent, isNumbered, type QueuedOperation, type SealedRecord } from "./records.ts";
import { readStampedText } from "./sealed-text.ts";
import type { OpenSegment, SegmentReader } from "./segment-reader.ts";

/** No more are ever sealed at once: the requests under way, and the next one. */
export const MAX_SEALED = 1000;
const TOMBSTONES_AT_ONCE = 100;
/** Operations that are read at once in search of a few. */
const LEAST_PAGE = 50;
const NO_DETAIL: StateDetail = {};
/** Where an operation may hold its entity back. */
const HOLDING: readonly Phase[] = ["failed", "parked", "conflict", "quarantined"];
const HOLDERS_AT_ONCE = 100;
const NEIGHBOURS = 100;

/**
 * What one account's queue looks like at a revision. Reads are made one by one; a change decided from them is refused when
 * the revision has moved in between, so together they are as good as one snapshot.
 */
export class AccountView {
  readonly account: AccountTag;
  readonly row: AccountRow;
  readonly detail: AccountDetail;
  readonly global: LaneRow;
  readonly #reader: SegmentReader;

  constructor(row: AccountRow, detail: AccountDetail, global: LaneRow, reader: SegmentReader) {
    this.account = row.account;
    this.row = row;
    this.detail = detail;
    this.global = global;
    this.#reader = reader;
  }

  /**
   * Sealed operations in the order in which they are sent, with the bytes to send: those that have a number, or when there are none
   * the others. Never both: one request is of one ordering.
   */
  async sealed(limit: number): Promise<readonly SealedRecord[]> {
    if (this.row.counts.sealed === 0) return [];
    const operations = await this.inPhase(["sealed"], 0, MAX_SEALED);
    const numbered = operations.filter((operation) => isNumbered({ operation }));
    numbered.sort((a, b) => (a.row?.opNumber ?? 0) - (b.row?.opNumber ?? 0));
    const first = numbered.length === 0 ? operations : numbered;
    // A group is sent whole or not at all.
    const group = first[limit - 1]?.content.groupId;
    return this.withTexts(first.filter(({ content }, index) => index < limit || (group !== undefined && content.groupId === group)));
  }

  async withTexts(operations: readonly QueuedOperation[]): Promise<readonly SealedRecord[]> {
    const packIds = [...new Set(operations.map((operation) => operation.row?.packId).filter((id) => typeof id === "string"))];
    const packs = new Map<string, readonly string[]>();
    for (const pack of await this.#reader.store.readPacks(packIds)) packs.set(pack.packId, await this.#open(pack));
    const records: SealedRecord[] = [];
    for (const operation of operations) {
      const stamped = packs.get(operation.row?.packId ?? "")?.[operation.row?.packIndex ?? 0];
      records.push({ operation, text: stamped === undefined ? null : await readStampedText(this.#reader.hash, stamped), sentBefore: true });
    }
    return records;
  }

  async #open(pack: PackRow): Promise<readonly string[]> {
    const { store, keys } = this.#reader;
    return (await orNull(() => openSealed(keys, store.storeId, pack))) ?? [];
  }

  async inPhase(phases: readonly Phase[], after: Seq | 0, limit: number, entityTag?: EntityTag): Promise<readonly QueuedOperation[]> {
    const ofEntity = entityTag === undefined ? {} : { entityTag };
    return this.#join(await this.#reader.store.readStates({ account: this.account, phases, after, limit, ...ofEntity }));
  }

  async blockedBy(seq: Seq, limit: number): Promise<readonly QueuedOperation[]> {
    return this.#join(await this.#reader.store.readStates({ account: this.account, phases: ["blocked"], blockedBy: seq, after: 0, limit }));
  }

  /** Everything that is folded into it. */
  async foldedInto(seq: Seq): Promise<readonly QueuedOperation[]> {
    const query = { account: this.account, phases: ["folded"], blockedBy: seq, after: 0, limit: MAX_MEMBERS } as const;
    return this.#join(await this.#reader.store.readStates(query));
  }

  /** Operations of an entity that wait for another one, in order. */
  async blockedOn(entityTag: EntityTag, after: Seq | 0, limit: number): Promise<readonly QueuedOperation[]> {
    return this.#join(await this.#reader.store.readStates({ account: this.account, entityTag, phases: ["blocked"], after, limit }));
  }

  /** The first operation that holds the entity back, `except` aside. */
  async holderOf(entityTag: EntityTag, except: Seq): Promise<Seq | undefined> {
    for (let after: Seq | 0 = 0; ; ) {
      const rows: readonly StateRow[] = await this.#reader.store.readStates({
        account: this.account,
        entityTag,
        phases: HOLDING,
        after,
        limit: HOLDERS_AT_ONCE,
      });
      for (const { seq, phase } of rows) {
        if (seq === except) continue;
        const [operation] = phase === "failed" ? await this.bySeq([seq]) : [];
        if (holdsEntity(stateOf(phase), operation?.content.type ?? "")) return seq;
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < HOLDERS_AT_ONCE) return undefined;
      after = last.seq;
    }
  }

  /** The named operations that are still in the queue, in the order asked for; ended ones are left out. */
  async bySeq(seqs: readonly Seq[]): Promise<readonly QueuedOperation[]> {
    const rows = await this.#reader.store.readStates({ account: this.account, seqs, limit: seqs.length });
    const byseq = new Map(rows.map((row) => [row.seq, row]));
    const found: QueuedOperation[] = [];
    for (const seq of seqs) {
      const row = byseq.get(seq) ?? null;
      if (row === null && seq < this.global.head) continue;
      const operation = await this.#operation(seq, row);
      if (operation !== undefined) found.push(operation);
    }
    return found;
  }

  /** What may go next, in order; tombstones of ended ones included with their row. Fewer than `limit` only when there are no more. */
  async waiting(limit: number): Promise<readonly QueuedOperation[]> {
    const { head } = this.global;
    const query = { account: this.account, phases: ["ready"], after: 0, upTo: (head - 1) as Seq, limit } as const;
    const ready = await this.#join(await this.#reader.store.readStates(query));
    return ready.length >= limit ? ready : [...ready, ...(await this.fresh(limit - ready.length))];
  }

  /** Those of them at or beyond `from`: the head, unless told otherwise. */
  async fresh(limit: number, from: Seq = this.global.head): Promise<readonly QueuedOperation[]> {
    // With another row it has been dealt with: folded, taken out of turn, or passed before the head fell back by damage.
    const { operations } = await this.#search(
      from,
      limit,
      ({ phase }) => phase === "pending" || phase === "ready" || phase === "cancelled",
    );
    return operations;
  }

  /** Those from a seq on that nobody has taken: they have no row. */
  untouched(limit: number, from: Seq): Promise<FreshWindow> {
    return this.#search(from, limit, ({ row }) => row === null);
  }

  async #search(from: Seq, limit: number, isWanted: (operation: QueuedOperation) => boolean): Promise<FreshWindow> {
    const operations: QueuedOperation[] = [];
    for (let at = from; ; ) {
      const wanted = at === from ? limit : Math.max(limit - operations.length, LEAST_PAGE);
      const page = await this.from(at, wanted);
      const found = page.operations.filter(isWanted);
      const room = limit - operations.length;
      operations.push(...found.slice(0, room));
      const beyond = found[room];
      if (beyond !== undefined) return { operations, next: beyond.seq };
      if (page.operations.length < wanted || operations.length === limit) return { operations, next: page.next };
      at = page.next;
    }
  }

  /**
   * Operations from a seq on that are still in the queue, in order; beyond the head with the tombstones of ended ones. Fewer than
   * `limit` only at the end of the queue.
   */
  async from(seq: Seq, limit: number): Promise<FreshWindow> {
    const operations: QueuedOperation[] = [];
    let from = seq;
    while (operations.length < limit) {
      const segment = await this.#reader.at(this.account, from);
      if (segment === undefined) break;
      const first = Math.max(segment.seqFrom, from) as Seq;
      const upTo = Math.min(segment.last, first + (limit - operations.length) - 1) as Seq;
      const rows = await this.#reader.store.readStates({ account: this.account, after: (first - 1) as Seq, upTo, limit });
      const bySeq = new Map(rows.map((row) => [row.seq, row]));
      for (let seq = first; seq <= upTo; seq++) {
        const row = bySeq.get(seq) ?? null;
        if (row !== null || seq >= this.global.head) operations.push(await this.#record(segment, seq, row));
      }
      from = (upTo + 1) as Seq;
    }
    return { operations, next: from };
  }

  /** Rows that the head has passed and nobody needs any more, some at a time: their segments may be gone already. */
  async tombstonesBelow(head: Seq): Promise<readonly Seq[]> {
    const query = { account: this.account, phases: ["cancelled"], after: 0, upTo: (head - 1) as Seq, limit: TOMBSTONES_AT_ONCE } as const;
    return (await this.#reader.store.readStates(query)).map((row) => row.seq);
  }

  async lanes(tags: readonly EntityTag[]): Promise<ReadonlyMap<EntityTag, LaneRow>> {
    if (tags.length === 0) return new Map();
    const rows = await this.#reader.store.readLanes(this.account, [...new Set(tags)]);
    return new Map(rows.map((row) => [row.lane as EntityTag, row]));
  }

  async entities(tags: readonly EntityTag[]): Promise<readonly EntityRow[]> {
    return tags.length === 0 ? [] : this.#reader.store.readEntities(this.account, tags);
  }

  /** What the server is known to hold of these; nothing is said of entities of which nothing is known. */
  async documents(tags: readonly EntityTag[]): Promise<ReadonlyMap<EntityTag, EntityDocument>> {
    return new Map(await this.#opened(await this.entities(tags)));
  }

  /** All of them, in order of their tags, some at a time. */
  async documentsAfter(
    after: EntityTag | "",
    limit: number,
  ): Promise<{ readonly documents: ReadonlyMap<EntityTag, EntityDocument>; readonly next: EntityTag | undefined }> {
    const rows = await this.#reader.store.listEntities(this.account, after, limit);
    return { documents: new Map(await this.#opened(rows)), next: rows.length < limit ? undefined : rows.at(-1)?.entityTag };
  }

  async #opened(rows: readonly EntityRow[]): Promise<readonly (readonly [EntityTag, EntityDocument])[]> {
    const { store, keys } = this.#reader;
    const opened = await Promise.all(rows.map(async (row) => [row.entityTag, await openDocument(store, keys, row)] as const));
    return opened.flatMap(([tag, document]) => (document === null ? [] : [[tag, document] as const]));
  }

  /** The operation with this id: in the queue, or its receipt. */
  async byId(id: string): Promise<{ readonly operation: QueuedOperation } | { readonly receipt: Receipt } | undefined> {
    const { store } = this.#reader;
    for (const row of await store.findSegments(this.account, id)) {
      const segment = await this.#reader.open(row);
      const index = indexOf(segment, id);
      if (index < 0) continue;
      const [operation] = await this.bySeq([(segment.seqFrom + index) as Seq]);
      if (operation !== undefined && !isTombstone(operation)) return { operation };
    }
    for (const row of await store.readReceipts(this.account, { id })) {
      const receipt = (await this.#receipts(row)).find((candidate) => candidate.id === id);
      if (receipt !== undefined) return { receipt };
    }
    return undefined;
  }

  /** Success records among the given operations: never sent again. Needed only for files that were restored or repaired. */
  async receiptsFor(operations: readonly QueuedOperation[]): Promise<ReadonlyMap<Seq, Receipt>> {
    const found = new Map<Seq, Receipt>();
    for (const seqs of neighbours(operations.map(({ seq }) => seq))) {
      for (const row of await this.#reader.store.readReceipts(this.account, { seqs })) {
        for (const receipt of await this.#receipts(row)) found.set(receipt.seq as Seq, receipt);
      }
    }
    return found;
  }

  /** How these ended, as far as that is still known. */
  async receiptsOf(seqs: readonly Seq[]): Promise<ReadonlyMap<Seq, Receipt>> {
    const found = new Map<Seq, Receipt>();
    for (const seq of seqs) {
      if (found.has(seq)) continue;
      for (const row of await this.#reader.store.readReceipts(this.account, { seqs: { from: seq, to: seq } })) {
        for (const receipt of await this.#receipts(row)) found.set(receipt.seq as Seq, receipt);
      }
    }
    return found;
  }

  /** None when they are damaged: what stands in the queue counts. */
  async #receipts(row: ReceiptRow): Promise<readonly Receipt[]> {
    const { store, keys } = this.#reader;
    const place = { table: "receipts", id: `${row.seqMin}-${row.seqMax}`, field: "body" };
    return (await orNull(async () => decodeReceipts(await openJson(keys, store.storeId, place, row.body)))) ?? [];
  }

  async #join(rows: readonly StateRow[]): Promise<readonly QueuedOperation[]> {
    const joined: QueuedOperation[] = [];
    for (const row of rows) {
      const operation = await this.#operation(row.seq, row);
      if (operation !== undefined && !isTombstone(operation)) joined.push(operation);
    }
    return joined;
  }

  async #operation(seq: Seq, row: StateRow | null): Promise<QueuedOperation | undefined> {
    const segment = await this.#reader.at(this.account, seq);
    return segment === undefined || seq < segment.seqFrom ? undefined : this.#record(segment, seq, row);
  }

  async #record(segment: OpenSegment, seq: Seq, row: StateRow | null): Promise<QueuedOperation> {
    const index = seq - segment.seqFrom;
    const line = segment.lines?.[index];
    const content = line === undefined ? null : orNullNow(() => parseContent(line));
    // The key may stand in the detail: without it nobody knows under which one to send.
    const detail = row === null || row.detail === null ? NO_DETAIL : await this.#detail(row.seq, row.detail);
    return {
      seq,
      entityTag: segment.entityTags[index] as EntityTag,
      content: content === null ? unreadableContent(segment, seq) : editedContent(content, detail?.edit),
      readable: content !== null && detail !== null,
      phase: row?.phase ?? "pending",
      row,
      detail: detail ?? NO_DETAIL,
    };
  }

  #detail(seq: Seq, bytes: Uint8Array): Promise<StateDetail | null> {
    const { store, keys } = this.#reader;
    const place = { table: "states", id: String(seq), field: "detail" };
    return orNull(async () => parseStateDetail(await openJson(keys, store.storeId, place, bytes)));
  }
}

export interface FreshWindow {
  readonly operations: readonly QueuedOperation[];
  /** The seq after the last one looked at. */
  readonly next: Seq;
}

/** An operation that ended before the head reached it: its row only keeps it from being read as pending. */
export function isTombstone(operation: QueuedOperation): boolean {
  return operation.phase === "cancelled";
}

/** Those that stand near each other are looked up together. */
function neighbours(seqs: readonly Seq[]): readonly SeqRange[] {
  const ranges: { from: Seq; to: Seq }[] = [];
  for (const seq of seqs.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && seq - last.to <= NEIGHBOURS) last.to = seq;
    else ranges.push({ from: seq, to: seq });
  }
  return ranges;
}

/** Where the operation with this id stands in the segment; -1: nowhere. Of a damaged one only a lone operation is known by its id. */
function indexOf({ lines, seqFrom, last, idMin }: OpenSegment, id: string): number {
  if (lines === null) return seqFrom === last && idMin === id ? 0 : -1;
  return lines.findIndex((line) => line.includes(id) && orNullNow(() => parseContent(line))?.id === id);
}

/** Stands in for content that cannot be decrypted: enough to count, list and quarantine it. */
function unreadableContent(segment: OpenSegment, seq: Seq): OperationContent {
  return {
    id: (segment.seqFrom === segment.last ? segment.idMin : `unreadable-${seq}`) as OperationContent["id"],
    type: "UNREADABLE",
    version: 0,
    entityType: "",
    entityId: "",
    payload: null,
    key: `unreadable-${seq}` as OperationContent["key"],
    traceId: "" as OperationContent["traceId"],
    txnToken: "",
    createdAt: 0 as OperationContent["createdAt"],
  };
}
