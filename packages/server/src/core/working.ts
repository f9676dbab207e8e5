/**
 * The state of one write transaction while its operations are judged: what was loaded, and what was decided on top of it. Nothing is
 * written until the end, and seqs are provisional until the head was advanced, once for all, as the last lock taken.
 */
import type { ChangeKind, EpochMs, JsonObject, OperationResult } from "@guardian-sync/protocol";
import { type ChangeRow, type ClientRow, type EntityRef, type EntityRow, type LedgerRow, refKey } from "./storage.ts";

/** Provisional seqs count up from here: above every real one (a space would need 4.5 quadrillion changes), still exact. */
const PROVISIONAL = 2 ** 52;

/** The real seq, once the first of this transaction is known. */
function settledSeq(seq: number, firstSeq: number): number {
  return seq < PROVISIONAL ? seq : firstSeq + (seq - PROVISIONAL);
}

/** One entity as an effect leaves it. */
export interface EntityWrite {
  readonly kind: ChangeKind;
  readonly ref: EntityRef;
  readonly version: number;
  readonly document: JsonObject | null;
}
export interface Origin {
  readonly principal: string;
  readonly clientId: string | null;
  readonly operationId: string | null;
  readonly now: EpochMs;
}

interface Mark {
  readonly ledger: ReadonlyMap<string, LedgerRow>;
  readonly decided: ReadonlySet<string>;
  readonly entities: ReadonlyMap<string, EntityRow>;
  readonly touched: ReadonlyMap<string, EntityRef>;
  readonly changes: number;
  readonly client: ClientRow | null;
}

export class Working {
  #ledger: Map<string, LedgerRow>;
  /** Keys whose row is to be written. */
  #decided = new Set<string>();
  #entities: Map<string, EntityRow>;
  #touched = new Map<string, EntityRef>();
  readonly #changes: ChangeRow[] = [];
  #client: ClientRow | null;
  readonly #clientAtStart: ClientRow | null;

  constructor(loaded: { ledger: ReadonlyMap<string, LedgerRow>; entities: ReadonlyMap<string, EntityRow>; client: ClientRow | null }) {
    this.#ledger = new Map(loaded.ledger);
    this.#entities = new Map(loaded.entities);
    this.#client = loaded.client;
    this.#clientAtStart = loaded.client;
  }

  get ledger(): ReadonlyMap<string, LedgerRow> {
    return this.#ledger;
  }
  get client(): ClientRow | null {
    return this.#client;
  }
  set client(row: ClientRow) {
    this.#client = row;
  }
  entity(ref: EntityRef): EntityRow | null {
    return this.#entities.get(refKey(ref)) ?? null;
  }
  /** Adds what was locked later, unless it is known or was written already. */
  learn(rows: ReadonlyMap<string, EntityRow>): void {
    for (const [key, row] of rows) if (!this.#touched.has(key) && !this.#entities.has(key)) this.#entities.set(key, row);
  }

  decide(row: LedgerRow): void {
    this.#ledger.set(row.key, row);
    this.#decided.add(row.key);
  }

  /** The `txn` of changes that begin here. */
  get nextSeq(): number {
    return PROVISIONAL + this.#changes.length;
  }

  /** Records the writes as part of the transaction `txn`; returns the provisional seq of the last. */
  write(writes: readonly EntityWrite[], txn: number, origin: Origin): number {
    for (const { kind, ref, version, document } of writes) {
      const seq = this.nextSeq;
      const { type, id } = ref;
      const { clientId, operationId, now, principal } = origin;
      this.#changes.push({ seq, txn, kind, type, id, version, document, clientId, operationId, at: now });
      this.#touched.set(refKey(ref), ref);
      if (kind === "drop") this.#entities.delete(refKey(ref));
      else {
        const row = { version, seq, deleted: kind === "del", document, lastOperationId: operationId, updatedAt: now, updatedBy: principal };
        this.#entities.set(refKey(ref), { type, id, ...row });
      }
    }
    return this.nextSeq - 1;
  }

  mark(): Mark {
    return {
      ledger: new Map(this.#ledger),
      decided: new Set(this.#decided),
      entities: new Map(this.#entities),
      touched: new Map(this.#touched),
      changes: this.#changes.length,
      client: this.#client,
    };
  }
  /** Forgets everything since the mark. */
  reset(mark: Mark): void {
    this.#ledger = new Map(mark.ledger);
    this.#decided = new Set(mark.decided);
    this.#entities = new Map(mark.entities);
    this.#touched = new Map(mark.touched);
    this.#changes.length = mark.changes;
    this.#client = mark.client;
  }

  get changeCount(): number {
    return this.#changes.length;
  }

  /** What is to be written, with real seqs; `firstSeq` is the first that the head gave. */
  outcome(firstSeq: number): {
    readonly ledger: readonly LedgerRow[];
    readonly entities: readonly EntityRow[];
    readonly dropped: readonly EntityRef[];
    readonly changes: readonly ChangeRow[];
    readonly client: ClientRow | null;
  } {
    const seq = (provisional: number): number => settledSeq(provisional, firstSeq);
    const entities: EntityRow[] = [];
    const dropped: EntityRef[] = [];
    for (const key of [...this.#touched.keys()].toSorted()) {
      const row = this.#entities.get(key);
      if (row === undefined) dropped.push(this.#touched.get(key) as EntityRef);
      else entities.push({ ...row, seq: seq(row.seq) });
    }
    const ledger = [...this.#decided].toSorted().map((key) => {
      const row = this.#ledger.get(key) as LedgerRow;
      const response = row.response === null ? null : settledResult(row.response, firstSeq);
      return { ...row, response, commitSeq: row.commitSeq === null ? null : seq(row.commitSeq) };
    });
    const changes = this.#changes.map((row) => ({ ...row, seq: seq(row.seq), txn: seq(row.txn) }));
    return { ledger, entities, dropped, changes, client: this.#client === this.#clientAtStart ? null : this.#client };
  }
}

export function settledResult(result: OperationResult, firstSeq: number): OperationResult {
  return result.commit_seq === undefined ? result : { ...result, commit_seq: settledSeq(result.commit_seq, firstSeq) };
}
