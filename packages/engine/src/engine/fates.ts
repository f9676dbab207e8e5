import { type OperationId, SyncError } from "@guardian-sync/protocol";
import type { AccountTag } from "../ports/index.ts";
import type { QueuedOperation } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";
import type { OperationStatus, Settled } from "./operation.ts";
import { statusByReceipt, statusInQueue } from "./outcome-of.ts";

/** While somebody waits for a verdict that another process will write: how often the file is asked whether it changed. */
const WATCH_EVERY_MS = 500;

/** Finds out what becomes of operations that somebody asked about, whichever process decides it. */
export class Fates {
  readonly #context: EngineContext;
  readonly #account: () => AccountTag;
  #cancelWatch: (() => void) | undefined;
  #seenVersion = -1;
  #closed = false;

  constructor(context: EngineContext, account: () => AccountTag) {
    this.#context = context;
    this.#account = account;
    const { queue, watchers } = context;
    queue.onChanged.add((change) => {
      if (watchers.isEmpty) return;
      const { changed } = change;
      for (const operation of changed) {
        const { id } = operation.content;
        if (watchers.isWatched(id) && operation.phase !== "folded") watchers.tell(id, statusInQueue(operation));
      }
      for (const { operation, receipt } of change.endedMembers) watchers.tell(operation.content.id, statusByReceipt(receipt));
      // What is folded says what its survivor says; where that is applied, it has ended with it.
      const speaksForOthers = (one: QueuedOperation): boolean =>
        one.detail.members !== undefined && one.phase !== "acked" && statusInQueue(one).settled !== null;
      if (changed.some((one) => one.phase === "folded" || speaksForOthers(one))) void this.#look(watchers.watched);
    });
  }

  settled(id: OperationId): Promise<Settled> {
    const { promise, isNew } = this.#context.watchers.settled(id);
    if (isNew) this.#begin(id);
    return promise;
  }

  /** Until the returned function is called. */
  watch(id: OperationId, listener: (status: OperationStatus) => void): () => void {
    const off = this.#context.watchers.watch(id, listener);
    this.#begin(id);
    return off;
  }

  async statusOf(id: OperationId): Promise<OperationStatus> {
    const view = await this.#context.queue.view(this.#account());
    const found = await view.byId(id);
    if (found === undefined) return { state: "unknown", attempts: 0, nextAttemptAt: null, lastError: null, settled: null };
    if (!("operation" in found)) return statusByReceipt(found.receipt);
    const status = statusInQueue(found.operation);
    const by = found.operation.phase === "folded" ? found.operation.row?.blockedBy : undefined;
    const [survivor] = by ? await view.bySeq([by]) : [];
    if (survivor === undefined) return status;
    return { ...statusInQueue(survivor), state: "folded", foldedInto: survivor.content.id };
  }

  close(): void {
    this.#closed = true;
    this.#cancelWatch?.();
    this.#context.watchers.clear();
  }

  #begin(id: OperationId): void {
    void this.#look([id]);
    this.#watchFile();
  }

  /** Never rejects: who waits goes on waiting, and the next change is looked at again. */
  async #look(ids: readonly OperationId[]): Promise<void> {
    try {
      await this.#context.queue.appender.settle();
      for (const id of ids) {
        const status = await this.statusOf(id);
        if (status.state !== "unknown") this.#context.watchers.tell(id, status);
      }
    } catch (error) {
      this.#lookFailed(error);
    }
  }

  #lookFailed(error: unknown): void {
    this.#context.settings.telemetry.logger.warning({
      event_type: "look_failed",
      msg: "The fate of an operation could not be read; it is looked at again.",
      code: error instanceof SyncError ? error.code : "UNKNOWN",
    });
  }

  /** Verdicts of this process are told directly; those that another process writes are noticed by the file's version. */
  #watchFile(): void {
    if (this.#cancelWatch !== undefined || this.#closed) return;
    this.#cancelWatch = this.#context.platform.clock.schedule(WATCH_EVERY_MS, () => {
      this.#cancelWatch = undefined;
      void this.#checkFile();
    });
  }

  async #checkFile(): Promise<void> {
    const { watchers, queue } = this.#context;
    const { watched } = watchers;
    if (watched.length === 0 || this.#closed) return;
    try {
      const version = await queue.opened.store.dataVersion();
      if (version !== this.#seenVersion) {
        this.#seenVersion = version;
        await this.#look(watched);
      }
    } catch (error) {
      this.#lookFailed(error);
    } finally {
      this.#watchFile();
    }
  }
}
