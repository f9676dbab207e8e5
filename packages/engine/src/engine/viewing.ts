import { SyncError } from "@guardian-sync/protocol";
import type { OperationContent } from "../format/index.ts";
import type { AccountTag, Seq } from "../ports/index.ts";
import { awaitsEcho } from "../queue/feed-position.ts";
import type { EngineContext } from "./context.ts";
import { withDeadline } from "./deadline.ts";
import type { EntityDefinition, EntityRef } from "./definitions.ts";
import type { Seen } from "./intake.ts";
import type { Broken } from "./broken-operations.ts";
import { type EntityView, type ListedEntity, LiveView } from "./live-view.ts";
import type { Processing } from "./processing.ts";
import type { Puller } from "./puller.ts";

/** Who reads the feed while somebody looks, and puts aside what cannot be shown. */
type FeedReader = Pick<Puller, "want" | "rest" | "fresh"> & { needed(): Promise<Pick<Processing, "parkBroken">> };

/** While somebody looks: how often the file is asked whether another process wrote, where the platform does not tell. */
const LOOK_EVERY_MS = 1000;
const ECHO_TIMEOUT_MS = 60_000;

/** One document as it is shown. */
export interface EntityHandle<Document> {
  /** As it is now; `isLoading` before anybody has subscribed. */
  get(): EntityView<Document>;
  /** Tells now, and after every change, until the returned function is called. */
  subscribe(listener: (view: EntityView<Document>) => void): () => void;
}
export interface EntitiesHandle<Document> {
  get(): readonly ListedEntity<Document>[];
  subscribe(listener: (items: readonly ListedEntity<Document>[]) => void): () => void;
}

/** What an app sees: the live view, and the reading of the feed while somebody looks at it. */
export class Viewing {
  readonly #context: EngineContext;
  readonly #puller: FeedReader;
  readonly #view: LiveView;
  /** Calls of `pull` under way. */
  #pulls = 0;
  /** Ends them when the engine is closed. */
  readonly #enders = new Set<() => void>();
  #cancelWatch: (() => void) | undefined;
  #seenVersion = -1;
  #closed = false;

  constructor(context: EngineContext, puller: FeedReader, account: () => AccountTag) {
    this.#context = context;
    this.#puller = puller;
    this.#view = new LiveView(context, account, (error) => this.report(error));
    this.#view.onWatched = () => this.readOn();
    this.#view.broken.onBroken = (broken) => this.#takeOut(broken);
  }

  entity<Document>({ type }: EntityDefinition<Document>, entityId: string): EntityHandle<Document> {
    const ref = { entityType: type, entityId };
    return {
      get: () => this.#view.get(ref) as EntityView<Document>,
      subscribe: (listener) => this.#view.watch(ref, listener as (view: EntityView) => void),
    };
  }

  entities<Document>({ type }: EntityDefinition<Document>): EntitiesHandle<Document> {
    return {
      get: () => this.#view.list(type) as readonly ListedEntity<Document>[],
      subscribe: (listener) => this.#view.watchAll(type, listener as (items: readonly ListedEntity[]) => void),
    };
  }

  /** See `LiveView.seen`. */
  seen(ref: EntityRef): Seen | undefined {
    return this.#view.seen(ref);
  }

  async pull(timeoutMs: number): Promise<void> {
    this.#pulls += 1;
    this.#puller.want();
    let end: () => void = () => undefined;
    const closing = new Promise<never>((_resolve, reject) => {
      end = () => reject(new SyncError("STOPPED", "The engine was closed while the server's changes were read. Nothing was lost."));
      this.#enders.add(end);
    });
    const late = (): SyncError =>
      new SyncError("TIMEOUT", `The server's changes could not be read within ${timeoutMs} ms. Nothing was lost; try again.`, {
        retryable: true,
      });
    try {
      await withDeadline(this.#context.platform.clock, timeoutMs, () => Promise.race([this.#puller.fresh(), closing]), late);
    } finally {
      this.#enders.delete(end);
      this.#pulls -= 1;
      this.readOn();
    }
  }

  /**
   * Nobody looks, and something acknowledged waits for its echo: reads once, or what is acknowledged would stay in the queue file until
   * somebody looks again.
   */
  async readEchoes(account: AccountTag): Promise<void> {
    const isUnread = async (): Promise<boolean> => {
      const view = await this.#context.queue.view(account);
      return awaitsEcho(view.detail) && (await view.inPhase(["acked"], 0, 1)).length > 0;
    };
    try {
      const isFree = (): boolean => !this.#closed && !this.#view.isWatched && this.#pulls === 0;
      if (isFree() && (await isUnread()) && isFree()) await this.pull(ECHO_TIMEOUT_MS);
    } catch (error) {
      // Offline, or paused: the next time that nothing is left to send.
      if (!(error instanceof SyncError && error.code === "TIMEOUT") && !this.#closed) this.report(error);
    }
  }

  /** See `LiveView.stage`. */
  stage(contents: readonly OperationContent[], stored: Promise<readonly Seq[]>): void {
    this.#view.stage(contents, stored);
  }

  /** See `LiveView.leaveFor`. */
  leaveFor(next: AccountTag | undefined): void {
    this.#view.leaveFor(next);
  }

  /** Another account is signed in. */
  refresh(): void {
    this.#view.refresh();
  }

  /** Reads the feed if anybody wants it, and leaves it alone if nobody does. */
  readOn(): void {
    const { isWatched } = this.#view;
    if (this.#closed || (!isWatched && this.#pulls === 0)) {
      this.#cancelWatch?.();
      this.#cancelWatch = undefined;
      this.#puller.rest().catch((error: unknown) => this.report(error));
      return;
    }
    this.#puller.want();
    if (isWatched && this.#cancelWatch === undefined) this.#watchFile();
  }

  /** Nobody is told anything any more; resolves when nothing is read. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#view.close();
    for (const end of this.#enders) end();
    this.#cancelWatch?.();
    await this.#puller.rest();
  }

  report(error: unknown): void {
    this.#context.settings.telemetry.logger.error({
      event_type: "view_failed",
      msg: "The view could not be brought up to date, or a listener of it threw. The queue is not affected.",
      code: error instanceof SyncError ? error.code : "UNKNOWN",
    });
  }

  /** The page goes on without it; what was never sent waits for a person. */
  #takeOut({ account, seq, type, isWaiting, error }: Broken): void {
    const { logger, reportError } = this.#context.settings.telemetry;
    const msg = `The apply of operation "${type}" threw on the document that it was shown on. It is left out of the view.`;
    logger.error({ event_type: "apply_failed", msg, code: "APPLY_FAILED" });
    reportError?.(error, { code: "APPLY_FAILED" });
    if (!isWaiting) return;
    const parked = this.#puller.needed().then((processing) => processing.parkBroken(account, seq, error));
    parked.catch((cause: unknown) => {
      if (!this.#closed) this.report(cause);
    });
  }

  /** What other processes write is noticed by the file's version, and sooner where the platform tells. */
  #watchFile(): void {
    const { platform, queue } = this.#context;
    const look = (): void => {
      this.#lookAtFile().catch((error: unknown) => this.report(error));
    };
    const unwatch = queue.opened.watch?.(look);
    let cancel: () => void = () => undefined;
    const lookAgain = (): void => {
      look();
      cancel = platform.clock.schedule(LOOK_EVERY_MS, lookAgain);
    };
    lookAgain();
    this.#cancelWatch = (): void => {
      unwatch?.();
      cancel();
    };
  }

  async #lookAtFile(): Promise<void> {
    const version = await this.#context.queue.opened.store.dataVersion();
    if (version === this.#seenVersion) return;
    const isFirst = this.#seenVersion === -1;
    this.#seenVersion = version;
    if (!isFirst) this.#view.refresh();
  }
}
