import { type JsonObject, type OperationId, SyncError } from "@guardian-sync/protocol";
import type { Metrics } from "@guardian-sync/telemetry";
import type { OperationContent } from "../format/index.ts";
import type { AccountTag, LockRow } from "../ports/index.ts";
import { type Accounts, accountsOver } from "./accounts.ts";
import type { EngineContext } from "./context.ts";
import type { EntityDefinition, OperationDefinition } from "./definitions.ts";
import type { EventOf, SyncEvent, SyncEventType } from "./events.ts";
import { Fates } from "./fates.ts";
import { asGroup, type OperationGroup, settledAsOne } from "./group.ts";
import type { Capabilities } from "../core/handshake.ts";
import type { ConflictList } from "./conflicts.ts";
import type { KeptOperation } from "./kept.ts";
import { type Failed, failedOver } from "./failed-front.ts";
import { type EnqueueInput, type GroupMember, Intake, type Prepared, type RunOptions } from "./intake.ts";
import { LastWrites } from "./last-writes.ts";
import { OptimisticTokens } from "./optimistic.ts";
import { Operation, type OperationBackstage } from "./operation.ts";
import { PageLifeKeeper } from "./page-life.ts";
import type { Page } from "./page.ts";
import { PendingList } from "./pending.ts";
import type { RebuildReport } from "../queue/rebuild.ts";
import { type LoadProcessing, ProcessingKeeper } from "./processing-keeper.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import { liftPause, type Pause, putPause } from "./standing-pause.ts";
import { type EngineStatus, statusOf } from "./status.ts";
import { type EntitiesHandle, type EntityHandle, Viewing } from "./viewing.ts";
import { withDeadline } from "./deadline.ts";

export interface DrainResult {
  /** Nothing waits and nothing is sealed. */
  readonly empty: boolean;
  /** Why not. */
  readonly reason?: string;
}

const DRAIN_TIMEOUT_MS = 60_000;
/** The engine of one queue file in one process. Made by `createSyncEngine`. */
export class SyncEngine {
  readonly #context: EngineContext;
  readonly #sessions: SessionKeeper;
  readonly #processing: ProcessingKeeper;
  readonly #pageLife: PageLifeKeeper;
  readonly #intake: Intake;
  readonly #fates: Fates;
  readonly #lastWrites = new LastWrites();
  readonly #viewing: Viewing;
  /** One for all handles: a handle costs nothing but its own fields. */
  readonly #backstage: OperationBackstage = {
    settled: (id) => this.#fates.settled(id),
    status: (id) => this.#fates.statusOf(id),
    cancel: (id, reason) => this.cancel(id, reason),
    watch: (id, listener) => this.#fates.watch(id, listener),
  };
  #account: AccountTag | undefined;
  /** What the account's backend can do, as far as this file has learned it. */
  #known: Capabilities | undefined;
  /** As last read, and what was sealed since. */
  #pendingGauge = 0;
  /** On their way to the disk. */
  #arriving = 0;
  #offConnectivity: (() => void) | undefined;
  #cancelUpkeep: (() => void) | undefined;
  #closed = false;
  /** Operations that failed, were parked, or put aside: list, retry, archive, restore, discard. */
  readonly failed: Failed;
  /** Operations that wait, or are under way. */
  readonly pending: PendingList;
  /** Operations that somebody else's write stopped. `failed.discard` ends one. */
  readonly conflicts: Pick<ConflictList, "list" | "resolve">;
  readonly quarantine: { list(page?: Page): Promise<readonly KeptOperation[]> };
  /** Who is signed in, and what becomes of their work when they go. */
  readonly auth: Accounts;
  /** Transaction tokens, for an app that keeps its own state beside the view. */
  readonly optimistic: OptimisticTokens;

  readonly #gauge: { value: number };

  constructor(context: EngineContext, sessions: SessionKeeper, gauge: { value: number }, load: LoadProcessing) {
    this.#context = context;
    this.#gauge = gauge;
    this.#sessions = sessions;
    // A sender that never rests is never measured; what it takes makes room all the same.
    const onSealed = (count: number): void => {
      this.#pendingGauge = Math.max(0, this.#pendingGauge - count);
    };
    this.#processing = new ProcessingKeeper(
      context,
      { sessions, account: () => this.#currentAccount(), drain: (options) => this.drain(options) },
      load,
      onSealed,
    );
    const readOn = (): void => this.#viewing.readOn();
    this.#pageLife = new PageLifeKeeper(context.platform.pageLife, { processing: this.#processing, readOn });
    this.#intake = new Intake(context, (ref) => this.#viewing.seen(ref));
    context.queue.onChanged.add((change) => this.#lastWrites.changed(change));
    this.#fates = new Fates(context, () => this.#currentAccount());
    this.#viewing = new Viewing(context, this.#processing, () => this.#currentAccount());
    this.optimistic = new OptimisticTokens((error) => this.#viewing.report(error));
    this.failed = failedOver(() => this.#processing.needed());
    this.pending = new PendingList(context, () => this.#currentAccount());
    this.conflicts = {
      list: async (page) => (await this.#processing.needed()).conflicts.list(page),
      resolve: async (id, resolution) => (await this.#processing.needed()).conflicts.resolve(id, resolution),
    };
    this.quarantine = { list: (page) => this.failed.list(page, ["quarantined"]) };
    const refresh = async (): Promise<void> => {
      const session = await this.#sessions.refresh();
      if (session !== null) {
        const renewed = context.queue.accountTag(session.account);
        await this.#liftPause(({ reason }) => reason === "auth_required", "person", renewed);
      }
      this.#processing.wake();
    };
    this.auth = accountsOver(
      context,
      () => this.#currentAccount(),
      refresh,
      () => this.#processing.needed(),
    );
    sessions.onRefreshed = () => {
      context.meters.refreshed();
      context.events.emit({ type: "auth", change: "refreshed" });
    };
    sessions.onSession = async (session) => {
      const before = this.#account;
      const next = session === null ? undefined : context.queue.accountTag(session.account);
      // Until the disk has a place for whoever signs in, nothing is shown or taken in under the former one's name.
      if (next !== before) this.#account = undefined;
      this.#viewing.leaveFor(next);
      if (session !== null) {
        const account = await context.queue.ensureAccount(session.account);
        this.#known = (await context.queue.view(account)).detail.handshake as Capabilities | undefined;
        this.#account = account;
      }
      if (before !== this.#account) context.events.emit({ type: "auth", change: session === null ? "signed_out" : "signed_in" });
      if (before !== this.#account && this.#account !== undefined) this.#viewing.refresh();
    };
    context.queue.onChanged.add(({ account, accountDetail }) => {
      if (accountDetail !== undefined && account === this.#account) this.#known = accountDetail.handshake as Capabilities | undefined;
    });
    this.#offConnectivity = context.platform.connectivity?.subscribe((online) => {
      context.events.emit({ type: "connection", online });
      if (online) this.#processing.online();
    });
    this.#processing.onRest(({ reason }) => {
      void this.#measure();
      if (reason === "empty" && this.#account !== undefined) void this.#viewing.readEchoes(this.#account);
    });
    this.#scheduleUpkeep();
  }

  /** For `createSyncEngine`: reads who is signed in. */
  async open(): Promise<void> {
    await this.#sessions.current();
    if (this.#account === undefined) return;
    await this.#liftPause((pause) => pause.by === "engine", "restart");
    await this.#processing.recover(this.#account);
    await this.#measure();
  }

  get events(): { on: EngineContext["events"]["on"]; [Symbol.asyncIterator](): AsyncGenerator<SyncEvent, void, undefined> } {
    const { events } = this.#context;
    return { on: events.on.bind(events), [Symbol.asyncIterator]: () => events.iterate() };
  }

  on<T extends SyncEventType>(type: T, listener: (event: EventOf<T>) => void): () => void;
  on(type: "*", listener: (event: SyncEvent) => void): () => void;
  on(type: SyncEventType | "*", listener: (event: never) => void): () => void {
    return this.#context.events.on(type as SyncEventType, listener as never);
  }

  /** What this engine measures; see `guardian-sync/metrics`. */
  get metrics(): Metrics {
    return this.#context.settings.telemetry.metrics;
  }

  /** Queues a plain write. Resolves with its handle once it is on disk; rejects, and then nothing was queued. */
  async enqueue(input: EnqueueInput): Promise<Operation> {
    const operation = this.#append(this.#intake.plain(input));
    await operation.stored;
    return operation;
  }

  /** Queues several in one transaction: all or none. Resolves once they are on disk. */
  async enqueueMany(inputs: readonly EnqueueInput[]): Promise<readonly Operation[]> {
    const account = this.#admit(inputs.length);
    const prepared = this.#intake.many(inputs);
    const stored = this.#store(account, prepared);
    const operations = prepared.map(({ content, patch }) => this.#handle(content, patch, stored));
    await stored;
    return operations;
  }

  /** Runs a declared operation: its handle exists at once, `stored` tells when it is on disk. */
  run<Input, Document>(definition: OperationDefinition<Input, Document>, input: Input, options: RunOptions = {}): Operation {
    return this.#append(this.#intake.declared(definition as unknown as OperationDefinition<never, never>, input, options));
  }

  /**
   * Queues several, plain and declared, that take effect together or not at all: one transaction here, one at the server. Shown at
   * once, like `run`; needs a backend of level 4. Throws when it cannot be, and then nothing was queued.
   */
  group(members: readonly GroupMember[]): OperationGroup {
    const account = this.#admit(members.length);
    const id = this.#context.queue.newUuid();
    const prepared = asGroup(this.#context.settings, id, this.#intake.many(members), this.#known);
    const stored = this.#store(account, prepared);
    const operations = prepared.map(({ content, patch }) => this.#handle(content, patch, stored));
    // Whoever does not ask costs nothing.
    return {
      id,
      operations,
      stored,
      get settled() {
        return settledAsOne(operations);
      },
    };
  }

  /** One document with everything that waits on top of it, now and live. */
  entity<Document>(definition: EntityDefinition<Document>, entityId: string): EntityHandle<Document> {
    return this.#viewing.entity(definition, entityId);
  }

  /** All documents of one type, in order of their ids, now and live. */
  entities<Document>(definition: EntityDefinition<Document>): EntitiesHandle<Document> {
    return this.#viewing.entities(definition);
  }

  /**
   * Reads the server's changes now. Resolves when everything it had is in the queue file; rejects with `TIMEOUT` when that cannot be
   * had in time (offline, signed out); reading goes on while somebody looks at the view.
   */
  async pull({ timeoutMs = DRAIN_TIMEOUT_MS }: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#assertOpen();
    await this.#viewing.pull(timeoutMs);
  }

  /** A handle on an operation that was queued before, in this process or an earlier one. */
  async operation(id: string): Promise<Operation | undefined> {
    const view = await this.#context.queue.view(this.#currentAccount());
    const found = await view.byId(id);
    if (found === undefined) return undefined;
    const stored = Promise.resolve();
    if ("operation" in found) return this.#handle(found.operation.content, null, stored);
    const blank = { type: "", entityType: "", entityId: "", traceId: "" as OperationContent["traceId"], txnToken: `txn-${id}` };
    return new Operation({ ...blank, id: id as OperationId }, null, stored, this.#backstage);
  }

  /** Starts processing. Does nothing when it runs already. */
  start(): void {
    this.#assertOpen();
    this.#pageLife.start();
  }

  /** Waits for the request under way, then gives the lock back. Enqueueing goes on. */
  async stop(): Promise<void> {
    await this.#pageLife.stop();
  }

  /** Stops, and closes the store. The engine cannot be used after that. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pageLife.stop();
    await this.#context.queue.appender.settle();
    this.#offConnectivity?.();
    this.#pageLife.close();
    this.#processing.close();
    this.#cancelUpkeep?.();
    this.#fates.close();
    await this.#viewing.close();
    this.#context.events.close();
    await this.#context.platform.transport.close();
    await this.#context.queue.opened.store.close();
  }

  /** Resolves when nothing waits, when nothing can go on without somebody, or when the time is up. */
  async drain({ timeoutMs = DRAIN_TIMEOUT_MS }: { readonly timeoutMs?: number } = {}): Promise<DrainResult> {
    await this.#context.queue.appender.settle();
    let rested: () => void = () => {};
    const off = this.#processing.onRest(() => rested());
    // Another process may have queued what this one has not noticed yet.
    this.#processing.wake();
    const done = async (): Promise<DrainResult> => {
      for (;;) {
        // Listens before it looks: a rest in between is not missed.
        const rest = new Promise<void>((resolve) => {
          rested = resolve;
        });
        const now = await this.#drained();
        if (now !== undefined) return now;
        await rest;
      }
    };
    try {
      return await withDeadline(this.#context.platform.clock, timeoutMs, done, () => new SyncError("TIMEOUT", "drain"));
    } catch (error) {
      if (!(error instanceof SyncError) || error.code !== "TIMEOUT") throw error;
      return { empty: false, reason: this.#processing.standstill?.reason ?? "still_sending" };
    } finally {
      off();
    }
  }

  /** Holds processing back until `resume`, across restarts. Recorded with who and why. */
  async pause(reason: string, by = "operator"): Promise<void> {
    await putPause(this.#context, this.#currentAccount(), { reason, by });
    this.#processing.wake();
  }

  /** Lifts a pause, the engine's own included. */
  async resume(): Promise<void> {
    this.#currentAccount();
    await this.#liftPause(() => true);
    this.#processing.wake();
  }

  /** See `Operation.cancel`. */
  async cancel(id: string, reason = "cancelled by the app"): Promise<boolean> {
    const account = this.#currentAccount();
    const isCertain = await (await this.#processing.needed()).cancel(account, id, reason);
    this.#processing.wake();
    return isCertain;
  }

  async status(): Promise<EngineStatus> {
    const view = this.#account === undefined ? undefined : await this.#context.queue.view(this.#account);
    return statusOf(this.#context, view, this.#processing);
  }

  /** Recomputes lanes and counts from what is stored; reports what differed. */
  async rebuildIndex(): Promise<RebuildReport> {
    const account = this.#currentAccount();
    const report = await (await this.#processing.needed()).rebuildIndex(account);
    if (report.changed) this.#processing.wake();
    return report;
  }

  /** For operators: takes the lock from whoever holds it. Returns who that was. */
  async forceReleaseLock(reason: string): Promise<LockRow | undefined> {
    if (typeof reason !== "string" || reason === "") throw new TypeError("forceReleaseLock needs a reason");
    const row = await (await this.#processing.needed()).forceReleaseLock();
    this.#processing.wake();
    return row;
  }

  /** Closes the circuit breaker at once. */
  async resetBreaker(): Promise<void> {
    const account = this.#currentAccount();
    await (await this.#processing.needed()).processor.gate.reset(account);
    this.#processing.wake();
  }

  async #liftPause(
    isMeant: (pause: Pause) => boolean,
    who: "person" | "restart" = "person",
    account: AccountTag = this.#currentAccount(),
  ): Promise<void> {
    const lifted = await liftPause(this.#context, account, isMeant, who);
    if (lifted !== undefined) this.#processing.releaseBrake(who === "restart" && lifted.reason === "mass_rejection");
  }

  #append(prepared: Prepared): Operation {
    return this.#handle(prepared.content, prepared.patch, this.#store(this.#admit(1), [prepared]));
  }

  #admit(count: number): AccountTag {
    this.#assertOpen();
    const account = this.#currentAccount();
    const { maxPending } = this.#context.settings;
    const waiting = this.#pendingGauge + this.#arriving;
    if (waiting + count > maxPending) {
      throw new SyncError(
        "QUEUE_FULL",
        `${waiting} operations wait, and maxPending is ${maxPending}. Nothing was queued; wait for some to be sent.`,
        { retryable: true },
      );
    }
    return account;
  }

  #store(account: AccountTag, prepared: readonly Prepared[]): Promise<void> {
    const contents = prepared.map(({ content }) => content);
    const payloadTexts = prepared.map(({ payloadText }) => payloadText);
    const { queue, meters, events } = this.#context;
    this.#lastWrites.take(account, contents, (content, id) => {
      // Another process may have seen to it: then the next try is not refused for it.
      const look = this.#fates.statusOf(id).then(({ settled }) => settled !== null && this.#lastWrites.forget(account, content, id));
      look.catch(() => {});
    });
    this.#arriving += contents.length;
    const entityTags = contents.map((content) => queue.entityTag(account, content.entityType, content.entityId));
    const appended = queue.appender.append({ account, operations: contents, entityTags, payloadTexts });
    this.#viewing.stage(contents, appended);
    const stored = appended.then(
      (seqs) => {
        this.#arriving -= contents.length;
        this.#pendingGauge += contents.length;
        meters.enqueued(contents.length);
        if (events.isHeard("enqueued")) {
          contents.forEach(({ id, type, entityType, traceId }, index) => {
            events.emit({ type: "enqueued", operation: { operationId: id, seq: seqs[index] as never, type, entityType, traceId } });
          });
        }
        this.#processing.wake();
      },
      (error: unknown) => {
        this.#arriving -= contents.length;
        for (const content of contents) this.#lastWrites.forget(account, content, content.id);
        throw error;
      },
    );
    // Whoever cares awaits `stored`; an app that does not must not be ended by an unhandled rejection.
    stored.catch(() => {});
    return stored;
  }

  #handle(content: OperationContent, patch: JsonObject | null, stored: Promise<void>): Operation {
    return new Operation(content, patch, stored, this.#backstage);
  }

  async #drained(): Promise<DrainResult | undefined> {
    if (this.#closed) return { empty: false, reason: "stopped" };
    if (this.#account === undefined) return { empty: false, reason: "signed_out" };
    const view = await this.#context.queue.view(this.#account);
    if (view.row.counts.pending + view.row.counts.sealed === 0) return { empty: true };
    if (view.detail.pause !== undefined) return { empty: false, reason: view.detail.pause.reason };
    const standstill = this.#processing.standstill;
    if (!this.#processing.isRunning && !this.#pageLife.isSuspended) return { empty: false, reason: "stopped" };
    if (standstill?.state === "idle" && standstill.reason !== "empty") return { empty: false, reason: standstill.reason };
    return undefined;
  }

  async #measure(): Promise<void> {
    if (this.#account === undefined || this.#closed) return;
    try {
      const row = await this.#context.queue.opened.store.readAccount(this.#account);
      this.#pendingGauge = row?.counts.pending ?? 0;
      this.#gauge.value = this.#pendingGauge + (row?.counts.sealed ?? 0);
    } catch (error) {
      this.#context.settings.telemetry.logger.warning({
        event_type: "gauge_failed",
        msg: "The number of waiting operations could not be read.",
        code: error instanceof SyncError ? error.code : "UNKNOWN",
      });
    }
  }

  #scheduleUpkeep(): void {
    const { platform, settings, queue } = this.#context;
    this.#cancelUpkeep = platform.clock.schedule(UPKEEP_EVERY_MS, () => {
      void queue.opened.store
        .purgeReceipts(platform.clock.now() - settings.receiptRetentionMs, 1000)
        .catch((error: unknown) => {
          settings.telemetry.logger.warning({
            event_type: "upkeep_failed",
            msg: "Old receipts could not be removed; it is tried again.",
            code: error instanceof SyncError ? error.code : "UNKNOWN",
          });
        })
        .finally(() => {
          if (!this.#closed) this.#scheduleUpkeep();
        });
    });
  }

  #currentAccount(): AccountTag {
    if (this.#account === undefined)
      throw new SyncError(
        "NO_ACCOUNT",
        "Nobody is signed in (backend.session returned null), so the operation would belong to no one. Nothing was queued.",
      );
    return this.#account;
  }

  #assertOpen(): void {
    if (this.#closed) throw new SyncError("STOPPED", "This engine was closed. Create a new one.");
  }
}

const UPKEEP_EVERY_MS = 3_600_000;
