import { type OperationId, SyncError } from "@guardian-sync/protocol";
import type { AccountTag } from "../ports/index.ts";
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
      for (const operation of change.changed) {
        const { id } = operation.content;
        if (watchers.isWatched(id)) watchers.tell(id, statusInQueue(operation));
      }
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
    const found = await (await this.#context.queue.view(this.#account())).byId(id);
    if (found === undefined) return { state: "unknown", attempts: 0, nextAttemptAt: null, lastError: null, settled: null };
    return "operation" in found ? statusInQueue(found.operation) : statusByReceipt(found.receipt);
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
