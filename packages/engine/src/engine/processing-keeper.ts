import { type CapabilityLevel, SyncError } from "@guardian-sync/protocol";
import type { BreakerState } from "../core/breaker.ts";
import { LOADING_BEGINS, type LoadingEffect, type LoadingEvent, type LoadingState, stepLoading } from "../core/loading.ts";
import type { AccountTag } from "../ports/index.ts";
import type { EngineContext } from "./context.ts";
import type { Processing, ProcessingParts } from "./processing.ts";
import type { Standstill } from "./turn.ts";

/** The code that processes: `engine/processing.ts`, at once or later. */
export interface ProcessingModule {
  readonly Processing: new (context: EngineContext, parts: ProcessingParts) => Processing;
}
/** May reject, and is then called again later. What it returns without a promise is there from the first moment. */
export type LoadProcessing = () => ProcessingModule | Promise<ProcessingModule>;

/** A request that neither ends nor fails would leave everybody in the dark. Should it end after all, that counts. */
const LOAD_DEADLINE_MS = 30_000;
const UNAVAILABLE =
  "The part of the engine that sends could not be loaded: the page went offline before it had it, or a new version of the app was deployed. What is queued is kept, and it is tried again; if it stays so, reload the page.";

const STOPPED: Standstill = { state: "stopped", reason: "stopped", untilMs: null, work: false };

/** Stands for the processing wherever its code is, and remembers what is wanted of it until it is here. */
export class ProcessingKeeper {
  readonly #context: EngineContext;
  readonly #parts: ProcessingParts;
  readonly #load: LoadProcessing;
  #state: LoadingState = LOADING_BEGINS;
  #arrived: ProcessingModule | undefined;
  #processing: Processing | undefined;
  #readsFeed = false;
  /** As `releaseBrake` was last told. */
  #brakeOnTrial: boolean | undefined;
  #cancelTimer: (() => void) | undefined;
  readonly #waiting = new Set<{ readonly resolve: (processing: Processing) => void; readonly reject: (error: SyncError) => void }>();
  readonly #restListeners = new Set<(standstill: Standstill) => void>();
  readonly #onSealed: (count: number) => void;

  /** `onSealed`: told how many operations have just left the waiting ones. */
  constructor(context: EngineContext, parts: ProcessingParts, load: LoadProcessing, onSealed: (count: number) => void) {
    this.#context = context;
    this.#parts = parts;
    this.#load = load;
    this.#onSealed = onSealed;
    this.#fetch();
  }

  /** It runs, or will as soon as it can. */
  get isRunning(): boolean {
    return this.#processing?.processor.isRunning ?? this.#isWanted;
  }

  get standstill(): Standstill | undefined {
    if (this.#processing !== undefined) return this.#processing.processor.standstill;
    if (!this.#isWanted) return STOPPED;
    const isLoading = this.#state.kind === "loading" && this.#state.failures === 0;
    const untilMs = this.#state.kind === "failed" ? this.#state.retryAt : null;
    return { state: "waiting", reason: isLoading ? "code_loading" : "code_unavailable", untilMs, work: true };
  }

  get level(): CapabilityLevel | null {
    return this.#processing?.processor.capabilities?.level ?? null;
  }

  get holdsLock(): boolean {
    return this.#processing?.lock.lease !== undefined;
  }

  get breaker(): { readonly state: BreakerState["kind"]; readonly cooldownRemainingMs: number } {
    const gate = this.#processing?.processor.gate;
    return { state: gate?.breaker.kind ?? "closed", cooldownRemainingMs: gate?.cooldownRemainingMs() ?? 0 };
  }

  start(): void {
    this.#take({ type: "start" });
    this.#processing?.processor.start();
  }

  async stop(): Promise<void> {
    this.#take({ type: "stop" });
    if (this.#processing === undefined) this.#tellRest(STOPPED);
    else await this.#processing.processor.stop();
  }

  /** For a page that is about to freeze: everything ends at once and in silence. */
  suspend(): void {
    this.#take({ type: "suspend" });
    this.#readsFeed = false;
    // First: what ends below gives back, through the store, what it still finds in its hands.
    this.#processing?.lock.letGo();
    this.#processing?.processor.suspend();
    void this.#processing?.processor.puller.rest();
  }

  wake(): void {
    this.#take({ type: "wake" });
    this.#processing?.processor.wake();
  }

  /** The interface is up. */
  online(): void {
    this.#take({ type: "online" });
    this.#processing?.processor.wake();
  }

  /** Nothing arrives any more. */
  close(): void {
    this.#take({ type: "close" });
    this.#cancelTimer?.();
    this.#refuse(closed());
  }

  /** For calls that nothing can be done for without it. Rejects with `CODE_UNAVAILABLE` when it cannot be had now. */
  needed(): Promise<Processing> {
    if (this.#processing !== undefined) return Promise.resolve(this.#processing);
    if (this.#state.kind === "closed") return Promise.reject(closed());
    const promise = new Promise<Processing>((resolve, reject) => {
      this.#waiting.add({ resolve, reject });
    });
    this.#take({ type: "needed" });
    return promise;
  }

  /** See `Puller.want`. */
  want(): void {
    this.#readsFeed = true;
    this.#processing?.processor.puller.want();
  }

  /** See `Puller.rest`. */
  async rest(): Promise<void> {
    this.#readsFeed = false;
    await this.#processing?.processor.puller.rest();
  }

  /** See `Puller.fresh`. */
  async fresh(): Promise<void> {
    const { processor } = await this.needed();
    await processor.puller.fresh();
  }

  /** See `Processor.recover`, which does it by itself when it was not here in time. */
  async recover(account: AccountTag): Promise<void> {
    await this.#processing?.processor.recover(account);
  }

  /** See `Sender.releaseBrake`. */
  releaseBrake(onTrial: boolean): void {
    this.#brakeOnTrial = onTrial;
    this.#processing?.processor.releaseBrake(onTrial);
  }

  /** Tells whenever the loop comes to rest, until the returned function is called. */
  onRest(listener: (standstill: Standstill) => void): () => void {
    this.#restListeners.add(listener);
    return () => this.#restListeners.delete(listener);
  }

  get #isWanted(): boolean {
    return "isWanted" in this.#state && this.#state.isWanted;
  }

  #take(event: LoadingEvent): void {
    const { state, effects } = stepLoading(this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: LoadingEffect): void {
    const { clock } = this.#context.platform;
    switch (effect.type) {
      case "load":
        this.#fetch();
        return;
      case "retry_later": {
        this.#cancelTimer?.();
        this.#cancelTimer = clock.schedule(effect.delayMs, () => this.#take({ type: "due" }));
        const untilMs = (clock.now() + effect.delayMs) as never;
        this.#context.events.emit({ type: "waiting", reason: "code_unavailable", untilMs, delayMs: effect.delayMs });
        return;
      }
      case "alert":
        this.#context.events.emit({ type: "alert", code: "CODE_UNAVAILABLE", message: UNAVAILABLE });
        return;
      case "begin":
        this.#begin(effect.isWanted);
        return;
      default:
        effect satisfies never;
    }
  }

  #fetch(): void {
    this.#cancelTimer?.();
    const arrive = (module: ProcessingModule): void => {
      this.#arrived = module;
      this.#take({ type: "arrived" });
    };
    const coming = this.#load();
    if ("Processing" in coming) {
      arrive(coming);
      return;
    }
    const { clock } = this.#context.platform;
    this.#cancelTimer = clock.schedule(LOAD_DEADLINE_MS, () => this.#fail(new Error(`no answer within ${LOAD_DEADLINE_MS / 1000} s`)));
    coming.then(arrive, (error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    const { platform, settings } = this.#context;
    if (this.#state.kind !== "loading") return;
    settings.telemetry.reportError?.(error, { code: "CODE_UNAVAILABLE" });
    this.#take({ type: "refused", now: platform.clock.now(), jitter: platform.random.fraction() });
    this.#refuse(new SyncError("CODE_UNAVAILABLE", UNAVAILABLE, { retryable: true, cause: error }));
  }

  #begin(isWanted: boolean): void {
    this.#cancelTimer?.();
    if (this.#arrived === undefined) return;
    const processing = new this.#arrived.Processing(this.#context, this.#parts);
    this.#processing = processing;
    const { processor } = processing;
    processor.onRest((standstill) => this.#tellRest(standstill));
    processor.onSealed = this.#onSealed;
    if (this.#brakeOnTrial !== undefined) processor.releaseBrake(this.#brakeOnTrial);
    if (isWanted) processor.start();
    if (this.#readsFeed) processor.puller.want();
    for (const { resolve } of this.#waiting) resolve(processing);
    this.#waiting.clear();
  }

  #refuse(error: SyncError): void {
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting.clear();
  }

  #tellRest(standstill: Standstill): void {
    for (const listener of Array.from(this.#restListeners)) listener(standstill);
  }
}

function closed(): SyncError {
  return new SyncError("STOPPED", "This engine was closed. Create a new one.");
}
