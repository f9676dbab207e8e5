import type { JsonObject, OperationId, TraceId } from "@guardian-sync/protocol";

export type VerdictKind = "applied" | "rejected" | "failed" | "conflict" | "cancelled" | "expired" | "superseded";
/** How an operation ended, the first time it did. */
export interface Settled {
  readonly verdict: VerdictKind;
  /** Why, for everything but `applied`. */
  readonly code?: string;
  readonly status?: number;
  /** Version of the entity that it produced, when the server said. */
  readonly version?: number;
  /** Of a CREATE whose backend makes ids of its own: what it calls the document. */
  readonly serverId?: string;
  readonly message?: string;
}
export type OperationState =
  | "storing"
  | "pending"
  | "blocked"
  | "sealed"
  | "acked"
  | "applied"
  | "failed"
  | "parked"
  | "conflict"
  | "cancelled"
  | "superseded"
  | "folded"
  | "quarantined"
  | "archived"
  | "unknown";
export interface OperationStatus {
  readonly state: OperationState;
  readonly attempts: number;
  readonly nextAttemptAt: number | null;
  readonly lastError: string | null;
  readonly settled: Settled | null;
  /** Of the operation that it travels with, while it is `folded`. */
  readonly foldedInto?: OperationId;
}

export interface OperationFacts {
  readonly id: OperationId;
  readonly type: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly traceId: TraceId;
  readonly txnToken: string;
}

/** What a handle asks of the engine. */
export interface OperationBackstage {
  settled(id: OperationId): Promise<Settled>;
  status(id: OperationId): Promise<OperationStatus>;
  cancel(id: OperationId, reason: string): Promise<boolean>;
  watch(id: OperationId, listener: (status: OperationStatus) => void): () => void;
}

/** A handle on one operation. Holds no content; the queue does. */
export class Operation implements OperationFacts {
  readonly id: OperationId;
  readonly type: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly traceId: TraceId;
  readonly txnToken: string;
  /** The patch that a declared operation's `apply` produced, or the payload of a plain one. */
  readonly patch: JsonObject | null;
  /** Resolves when the operation is on disk; rejects when it could not be, and then nothing was queued. */
  readonly stored: Promise<void>;
  readonly #backstage: OperationBackstage;

  constructor(facts: OperationFacts, patch: JsonObject | null, stored: Promise<void>, backstage: OperationBackstage) {
    this.id = facts.id;
    this.type = facts.type;
    this.entityType = facts.entityType;
    this.entityId = facts.entityId;
    this.traceId = facts.traceId;
    this.txnToken = facts.txnToken;
    this.patch = patch;
    this.stored = stored;
    this.#backstage = backstage;
  }

  /** Resolves once, at the first verdict. Never rejects. Survives a restart by `sync.operation(id)`. */
  get settled(): Promise<Settled> {
    return this.#backstage.settled(this.id);
  }

  status(): Promise<OperationStatus> {
    return this.#backstage.status(this.id);
  }

  /**
   * Takes the operation back. Resolves with true when it is certain that it will not take effect, false when it already
   * did or may have (a sealed one is then asked for at the server, and settles as what the server says). One that is folded into
   * another cannot be taken back by itself: false; the other one takes back all that is in it.
   */
  cancel(reason = "cancelled by the app"): Promise<boolean> {
    return this.#backstage.cancel(this.id, reason);
  }

  /** Tells the status now and after every change, until the returned function is called. */
  subscribe(listener: (status: OperationStatus) => void): () => void {
    return this.#backstage.watch(this.id, listener);
  }
}
