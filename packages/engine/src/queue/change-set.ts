import type { EpochMs } from "@guardian-sync/protocol";
import { countDelta, type Event, type State, stateOf, transition } from "../core/lifecycle.ts";
import type { AccountDetail, EntityDocument, Receipt, StateDetail } from "../format/index.ts";
import { encodeAccountDetail, encodeDocument, encodeReceipts, encodeStateDetail, sealJson } from "../format/index.ts";
import type {
  AccountTag,
  Counter,
  EntityRow,
  EntityTag,
  Fence,
  KeyRing,
  LaneRow,
  PackRow,
  ReceiptRow,
  Seq,
  SeqRange,
  StateRow,
  StoreCommit,
} from "../ports/index.ts";
import { encodeOrigin, ORIGIN_KEY, type OriginState } from "./origin-state.ts";
import { documentPlace } from "./documents.ts";
import { currentKey, editedContent, type QueuedOperation } from "./records.ts";

export interface RowPatch {
  readonly blockedBy?: Seq | 0;
  readonly dueAt?: number;
  readonly attempts?: number;
  readonly backoffMs?: number;
  readonly firstSendAt?: number;
  readonly opNumber?: number;
  readonly pack?: { readonly packId: string; readonly packIndex: number } | null;
  /** Replaces the whole detail when given. */
  readonly detail?: StateDetail;
  /** What is written down when the operation leaves the queue. */
  readonly receipt?: {
    readonly outcome: Receipt["outcome"];
    readonly code?: string;
    readonly status?: number;
    readonly version?: number;
    readonly commitSeq?: number;
    readonly appliedKey?: string;
    readonly serverId?: string;
  };
  /** The documents contain it already. */
  readonly isEchoed?: boolean;
}

/** One that others are folded into, and where it has got to. */
interface Leader {
  readonly operation: QueuedOperation;
  readonly reached: State;
  readonly receipt: RowPatch["receipt"];
}

const TERMINAL: ReadonlySet<State> = new Set<State>(["succeeded", "superseded", "cancelled"]);

/** Collects what one decision changes, moves operations only along the life cycle, and keeps the counts in step. */
export class ChangeSet {
  readonly account: AccountTag;
  readonly now: EpochMs;
  #head: Seq;
  #states = new Map<Seq, { operation: QueuedOperation; row: StateRow; detail: StateDetail }>();
  #dropStates: Seq[] = [];
  #ended = new Map<Seq, QueuedOperation>();
  #packs: PackRow[] = [];
  #released = new Map<string, number>();
  #settled: Seq[] = [];
  #lanes = new Map<EntityTag | "", LaneRow>();
  #dropLanes = new Set<EntityTag>();
  #entities = new Map<EntityTag, EntityRow>();
  #documents = new Map<EntityTag, EntityDocument>();
  #dropEntities: EntityTag[] = [];
  #receipts: (Receipt & { readonly seq: Seq })[] = [];
  #leaders: Leader[] = [];
  #endedMembers: { readonly operation: QueuedOperation; readonly receipt: Receipt }[] = [];
  #count: Partial<Record<Counter, number>> = {};
  #accountDetail: AccountDetail | undefined;
  #origin: OriginState | undefined;
  readonly #awaitsEcho: boolean;

  /** `awaitsEcho`: what is applied stays, as acked, until the documents contain it. */
  constructor(account: AccountTag, now: EpochMs, head: Seq, awaitsEcho = false) {
    this.account = account;
    this.now = now;
    this.#head = head;
    this.#awaitsEcho = awaitsEcho;
  }

  /** The head of the global lane as it will be. Call before moving the operations below it. */
  putGlobalLane(lane: LaneRow): void {
    this.#head = lane.head;
    this.putLane(lane);
  }

  /** The account's detail and global lane as this change leaves them, if it puts them. */
  get accountDetail(): AccountDetail | undefined {
    return this.#accountDetail;
  }
  get globalLane(): LaneRow | undefined {
    return this.#lanes.get("");
  }

  putLane(lane: LaneRow): void {
    this.#lanes.set(lane.lane, lane);
    if (lane.lane !== "") this.#dropLanes.delete(lane.lane);
  }

  /** Holds an operation's entity back behind it, unless an earlier one does. `known`: the entity's lane as it is stored. */
  hold({ seq, entityTag }: Pick<QueuedOperation, "seq" | "entityTag">, known: LaneRow | undefined): void {
    const stored = this.#dropLanes.has(entityTag) ? undefined : known;
    const by = (this.#lanes.get(entityTag) ?? stored)?.blockedBy ?? 0;
    if (by !== 0 && by <= seq) return;
    this.putLane({ account: this.account, lane: entityTag, head: seq, dueAt: 0, failures: 0, blockedBy: seq });
  }

  dropLane(lane: EntityTag): void {
    this.#lanes.delete(lane);
    this.#dropLanes.add(lane);
  }

  putPack(pack: PackRow): void {
    this.#packs.push(pack);
  }

  /** `document`: what the server holds of it from now on; left out: as before. */
  putEntity(row: EntityRow, document?: EntityDocument): void {
    this.#entities.set(row.entityTag, row);
    if (document !== undefined) this.#documents.set(row.entityTag, document);
  }

  dropEntity(entityTag: EntityTag): void {
    this.#dropEntities.push(entityTag);
  }

  /** The documents that this change replaces, and the entities of which none is left. */
  get documents(): { readonly put: ReadonlyMap<EntityTag, EntityDocument>; readonly dropped: readonly EntityTag[] } {
    return { put: this.#documents, dropped: this.#dropEntities };
  }

  /** The entity's row as this change leaves it, if it puts one. */
  entity(entityTag: EntityTag): EntityRow | undefined {
    return this.#entities.get(entityTag);
  }

  putAccountDetail(detail: AccountDetail): void {
    this.#accountDetail = detail;
  }

  putOrigin(state: OriginState): void {
    this.#origin = state;
  }

  /** Removes the row of an operation that had ended before the head reached it. */
  dropTombstone(seq: Seq): void {
    this.#dropStates.push(seq);
  }

  /** Moves `operation` along the life cycle. Throws RangeError when the life cycle forbids it. Returns where it stands now. */
  move(operation: QueuedOperation, event: Event, patch: RowPatch = {}): State {
    const from = stateOfOperation(operation);
    const reached = transition(from, event);
    // Where nothing will echo it, the answer is the end.
    const isEchoed = !this.#awaitsEcho || patch.isEchoed === true;
    const to = reached === "acked" && from !== "acked" && isEchoed ? transition("acked", "echo") : reached;
    for (const [counter, delta] of Object.entries(countDelta(from, to)) as [Counter, number][]) {
      this.#count[counter] = (this.#count[counter] ?? 0) + delta;
    }
    const old = operation.row;
    // One of unknown outcome may be sent again as it is, when a person says so: also after it was put aside.
    const keepsPack = to === "sealed" || to === "parked" || to === "archived" || to === "quarantined";
    const pack = patch.pack !== undefined ? patch.pack : keepsPack && old?.packId ? { packId: old.packId, packIndex: old.packIndex } : null;
    if (old?.packId && old.packId !== pack?.packId) this.#released.set(old.packId, (this.#released.get(old.packId) ?? 0) + 1);

    const ended = TERMINAL.has(to);
    const isVerdict = from !== "acked" && (ended || to === "acked");
    if (ended) this.#settled.push(operation.seq);
    if (isVerdict && (operation.detail.members ?? 0) > 0) this.#leaders.push({ operation, reached: to, receipt: patch.receipt });
    // It is the verdict that is written down, not the echo.
    if (isVerdict) {
      this.#receipts.push({
        seq: operation.seq,
        id: operation.content.id,
        key: currentKey(operation),
        outcome: "applied",
        settledAt: this.now,
        ...patch.receipt,
      });
    }
    if (ended && operation.seq < this.#head) {
      if (old !== null) this.#dropStates.push(operation.seq);
      this.#ended.set(operation.seq, { ...operation, phase: "cancelled" });
      return to;
    }
    if (ended) this.#ended.set(operation.seq, { ...operation, phase: "cancelled" });
    const detail = ended ? {} : (patch.detail ?? operation.detail);
    this.#states.set(operation.seq, {
      operation,
      detail,
      row: {
        seq: operation.seq,
        account: this.account,
        phase: to === "pending" ? "ready" : to === "succeeded" || to === "superseded" ? "cancelled" : to,
        entityTag: operation.entityTag,
        blockedBy: to === "blocked" || to === "folded" ? (patch.blockedBy ?? old?.blockedBy ?? 0) : 0,
        dueAt: patch.dueAt ?? 0,
        attempts: patch.attempts ?? old?.attempts ?? 0,
        backoffMs: patch.backoffMs ?? old?.backoffMs ?? 0,
        firstSendAt: patch.firstSendAt ?? old?.firstSendAt ?? 0,
        opNumber: to === "sealed" ? (patch.opNumber ?? old?.opNumber ?? 0) : 0,
        packId: pack?.packId ?? null,
        packIndex: pack?.packIndex ?? 0,
        changedAt: this.now,
        detail: null,
      },
    });
    return to;
  }

  /** The operation as this change leaves it; `cancelled`: it leaves the queue, however it ended. */
  after(operation: QueuedOperation): QueuedOperation {
    const ended = this.#ended.get(operation.seq);
    if (ended !== undefined) return ended;
    const changed = this.#states.get(operation.seq);
    if (changed === undefined) return operation;
    const { row, detail } = changed;
    return { ...operation, content: editedContent(operation.content, detail.edit), phase: row.phase, row, detail };
  }

  /** Rewrites the small state of an operation that stays where it is. */
  touch(operation: QueuedOperation, patch: RowPatch): void {
    const old = operation.row;
    if (old === null) throw new RangeError(`operation ${operation.seq} has no state row to touch`);
    const { pack: _pack, receipt: _receipt, detail, ...columns } = patch;
    this.#states.set(operation.seq, { operation, row: { ...old, ...columns, detail: null }, detail: detail ?? operation.detail });
  }

  /** What has met its end here and has others folded into it: they end with it, by `endMember`. */
  get leaders(): readonly Leader[] {
    return this.#leaders;
  }

  /** Ends an operation that was folded into one that ends, with the same outcome. */
  endMember(member: QueuedOperation, { reached, receipt }: Leader): void {
    const event = reached === "cancelled" ? "cancelled" : reached === "superseded" ? "supersede" : "applied";
    this.move(member, event, receipt === undefined ? {} : { receipt });
    this.#endedMembers.push({ operation: member, receipt: this.#receipts.at(-1) as Receipt });
  }

  /** The folded ones that ended with their survivor. */
  get endedMembers(): readonly { readonly operation: QueuedOperation; readonly receipt: Receipt }[] {
    return this.#endedMembers;
  }

  /** The operations that this change takes out of the queue. */
  get ended(): readonly QueuedOperation[] {
    return [...this.#ended.values()];
  }

  /** The operations that this change leaves in the queue otherwise than they were. */
  get changed(): readonly QueuedOperation[] {
    const changed: QueuedOperation[] = [];
    for (const { operation, row } of this.#states.values()) if (row.phase !== "cancelled") changed.push(this.after(operation));
    return changed;
  }

  get isEmpty(): boolean {
    return (
      this.#states.size + this.#dropStates.length + this.#packs.length + this.#settled.length + this.#lanes.size === 0 &&
      this.#dropLanes.size + this.#entities.size + this.#dropEntities.length === 0 &&
      this.#accountDetail === undefined &&
      this.#origin === undefined
    );
  }

  /** Encrypts what must be, and returns the change as data. Encryption is done before any transaction opens. */
  async build(
    storeId: string,
    keys: KeyRing,
    expectRevision: number,
    fence: { readonly fence: Fence; readonly leaseId: string } | undefined,
  ): Promise<StoreCommit> {
    const putStates: StateRow[] = [];
    for (const { row, detail } of this.#states.values()) {
      if (Object.keys(detail).length === 0) {
        putStates.push(row);
        continue;
      }
      const sealed = sealJson(keys, storeId, { table: "states", id: String(row.seq), field: "detail" }, encodeStateDetail(detail));
      putStates.push({ ...row, detail: sealed instanceof Promise ? await sealed : sealed });
    }
    const receipts = await this.#buildReceipts(storeId, keys);
    const accountDetail =
      this.#accountDetail === undefined
        ? undefined
        : await sealJson(keys, storeId, { table: "accounts", id: this.account, field: "detail" }, encodeAccountDetail(this.#accountDetail));
    return {
      account: this.account,
      expectRevision,
      ...(fence === undefined ? {} : { fence }),
      ...(accountDetail === undefined ? {} : { putAccountDetail: accountDetail }),
      putStates,
      dropStates: this.#dropStates,
      putPacks: this.#packs,
      releasePacks: [...this.#released].map(([packId, count]) => ({ packId, count })),
      settleContent: toRanges(this.#settled),
      putLanes: [...this.#lanes.values()],
      dropLanes: [...this.#dropLanes],
      putEntities: await this.#buildEntities(storeId, keys),
      dropEntities: this.#dropEntities,
      putReceipts: receipts,
      ...(this.#origin === undefined ? {} : { putMeta: [{ key: ORIGIN_KEY, value: encodeOrigin(this.#origin) }] }),
      count: this.#count,
    };
  }

  async #buildEntities(storeId: string, keys: KeyRing): Promise<EntityRow[]> {
    const rows: EntityRow[] = [];
    for (const row of this.#entities.values()) {
      const document = this.#documents.get(row.entityTag);
      if (document === undefined) rows.push(row);
      else rows.push({ ...row, body: await sealJson(keys, storeId, documentPlace(row.entityTag), encodeDocument(document)) });
    }
    return rows;
  }

  async #buildReceipts(storeId: string, keys: KeyRing): Promise<ReceiptRow[]> {
    if (this.#receipts.length === 0) return [];
    const sorted = [...this.#receipts].sort((a, b) => a.seq - b.seq);
    const first = sorted[0] as (typeof sorted)[number];
    const last = sorted.at(-1) as (typeof sorted)[number];
    const ids = sorted.map((receipt) => receipt.id).sort();
    const place = { table: "receipts", id: `${first.seq}-${last.seq}`, field: "body" };
    return [
      {
        account: this.account,
        seqMin: first.seq,
        seqMax: last.seq,
        idMin: ids[0] as string,
        idMax: ids.at(-1) as string,
        settledAt: this.now,
        body: await sealJson(keys, storeId, place, encodeReceipts(sorted)),
      },
    ];
  }
}

/** An operation without a row is pending: the ended ones below the head are never looked up. */
export function stateOfOperation(operation: QueuedOperation): State {
  return operation.phase === "pending" ? "pending" : stateOf(operation.phase);
}

function toRanges(seqs: readonly Seq[]): SeqRange[] {
  const ranges: { from: Seq; to: Seq }[] = [];
  for (const seq of [...seqs].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && seq === last.to + 1) last.to = seq;
    else ranges.push({ from: seq, to: seq });
  }
  return ranges;
}
