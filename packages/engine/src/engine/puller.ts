import { SyncError } from "@guardian-sync/protocol";
import type { Capabilities } from "../core/handshake.ts";
import { settle } from "../core/settlement.ts";
import type { FeedPosition } from "../format/index.ts";
import type { AccountTag } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import { beginAgain, fitPosition } from "../queue/feed-position.ts";
import type { Lease } from "../queue/queue.ts";
import { Abort } from "./abort.ts";
import { codeOf } from "./code-of.ts";
import { containedIn } from "./contained.ts";
import type { EngineContext } from "./context.ts";
import { takeChanges, takeSnapshot } from "./feed.ts";
import type { Gate } from "./gate.ts";
import type { Greeter } from "./greeter.ts";
import { keepDocuments } from "./keep-documents.ts";
import type { LockKeeper } from "./lock-keeper.ts";
import type { Asked, Errand, Origin } from "./origin.ts";
import type { SessionKeeper } from "./session-keeper.ts";

export interface PullerParts {
  readonly sessions: SessionKeeper;
  readonly lock: LockKeeper;
  readonly gate: Gate;
  readonly origin: Origin;
  readonly greeter: Greeter;
}
type Turn =
  /** Look again at once. */
  | { readonly kind: "again" }
  /** Nothing newer is known to exist. */
  | { readonly kind: "fresh"; readonly delayMs: number }
  | { readonly kind: "rest"; readonly delayMs: number | null };

/** How long an answer may take when nothing changes, s. The server may allow less. */
const LONG_POLL_S = 25;
const POLL_MS = 5000;
const FAULT_BASE_MS = 1000;
const FAULT_MAX_MS = 60_000;
/** What a reader cannot mend: somebody has to sign in, update, or look. */
const STOPPING: ReadonlySet<string> = new Set([
  "auth_required",
  "client_too_old",
  "tls_failed",
  "pin_mismatch",
  "principal_mismatch",
  "backend_changed",
  "cors_suspected",
]);

/** Reads the change feed while somebody looks at the view, or something acknowledged waits for its echo. One process at a time. */
export class Puller {
  readonly #context: EngineContext;
  readonly #parts: PullerParts;
  #running: Promise<void> | undefined;
  #isWanted = false;
  #wake: (() => void) | undefined;
  #woken = false;
  #faults = 0;
  #refusals = 0;
  /** Everything that the server had when it was asked last is here. */
  #isFresh = false;
  #freshListeners = new Set<() => void>();
  /** Of a long poll under way. */
  #giveUp: (() => void) | undefined;

  constructor(context: EngineContext, parts: PullerParts) {
    this.#context = context;
    this.#parts = parts;
    // What ends a rest without an end: somebody signs in, lifts a pause, or the interface is back.
    for (const type of ["auth", "resumed", "connection"] as const) context.events.on(type, () => this.wake());
  }

  get isFresh(): boolean {
    return this.#isFresh;
  }

  /** From now on, until `rest`. */
  want(): void {
    this.#isWanted = true;
    this.wake();
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#isWanted) this.want();
    });
  }

  /** Resolves when the loop has ended. A long poll under way is given up: its answer changes nothing any more. */
  async rest(): Promise<void> {
    this.#isWanted = false;
    this.wake();
    this.#giveUp?.();
    await this.#running;
  }

  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Resolves when everything that the server had at some moment after the call is here. */
  fresh(): Promise<void> {
    return new Promise((resolve) => {
      const listener = (): void => {
        this.#freshListeners.delete(listener);
        resolve();
      };
      this.#freshListeners.add(listener);
      this.wake();
      // Whoever asks now does not wait until something changes.
      this.#giveUp?.();
    });
  }

  async #run(): Promise<void> {
    while (this.#isWanted) {
      this.#woken = false;
      const turn = await this.#turn().then(
        (done) => {
          if (done.kind === "fresh") this.#faults = 0;
          return done;
        },
        (error: unknown) => this.#fault(error),
      );
      if (turn.kind === "fresh") {
        this.#isFresh = true;
        this.#tellFresh();
      }
      if (turn.kind !== "again") await this.#sleep(turn.delayMs);
    }
    await this.#parts.lock.release("pull").catch((error: unknown) => this.#log("lock_release_failed", error));
  }

  #tellFresh(): void {
    for (const tell of Array.from(this.#freshListeners)) tell();
  }

  async #putFeed(account: AccountTag, lease: Lease | undefined, next: (feed: FeedPosition | undefined) => FeedPosition): Promise<void> {
    await this.#context.queue.change(account, lease, (view, change) => {
      const feed = next(view.detail.feed);
      if (feed !== view.detail.feed) change.putAccountDetail({ ...view.detail, feed });
    });
  }

  async #sleep(delayMs: number | null): Promise<void> {
    if (this.#woken || !this.#isWanted || delayMs === 0) return;
    const { clock } = this.#context.platform;
    await new Promise<void>((resolve) => {
      const cancel = delayMs === null ? undefined : clock.schedule(Math.max(1, Math.ceil(delayMs)), resolve);
      this.#wake = () => {
        cancel?.();
        resolve();
      };
    });
    this.#wake = undefined;
  }

  async #turn(): Promise<Turn> {
    const { queue } = this.#context;
    const { sessions, gate, lock, greeter } = this.#parts;
    const session = await sessions.current();
    if (session === null) return this.#idle(null);
    const account = await queue.ensureAccount(session.account);
    const view = await queue.view(account);
    if (STOPPING.has(view.detail.pause?.reason ?? "")) return this.#idle(null);
    // Before anything holds this loop up: from here on what the sender hears of stays in the view until its echo.
    if (view.detail.feed === undefined) await keepDocuments(this.#context, account);
    const closed = await gate.check(view);
    if (closed !== undefined && closed.reason !== "backoff") return { kind: "rest", delayMs: closed.delayMs };
    const held = await lock.ensure("pull");
    // Another process reads, and the file tells what it found; whoever asks for it now cannot know when, and reads once by itself:
    // a page counts only where the position has not moved meanwhile.
    if (!held.held && this.#freshListeners.size === 0) return { kind: "rest", delayMs: POLL_MS };
    const lease = held.held ? held.lease : undefined;
    // The sender may have been asked for time meanwhile.
    const asked = gate.held();
    if (asked !== undefined) return { kind: "rest", delayMs: asked.delayMs };
    const strain = { failures: this.#faults, tlsFailures: 0, refusals: this.#refusals, policy: this.#context.settings.backoff };
    const errand: Errand = { session, detail: view.detail, level: 4, ...(lease === undefined ? {} : { lease }) };
    const greeting = await greeter.greet(errand, account, lease, view, strain);
    // The sender makes the same handshake, and carries out what it came to. What the origin asked for holds from now on.
    if (greeting.kind === "settle") {
      await gate.settled(account, greeting.settlement);
      // A sender that has nothing to send greets nobody, and asks for no new token.
      if (greeting.settlement.refused === true && (await this.#hasNewToken())) return { kind: "again" };
      return { kind: "rest", delayMs: greeting.settlement.wait?.delayMs ?? POLL_MS };
    }
    if (!greeting.capabilities.feed) {
      await this.#putFeed(account, lease, (feed) => fitPosition(feed, false));
      this.#tellFresh();
      return this.#idle(null);
    }
    return this.#read(errand, account, lease, await queue.view(account), greeting.capabilities);
  }

  async #read(errand: Errand, account: AccountTag, lease: Lease | undefined, view: AccountView, { level }: Capabilities): Promise<Turn> {
    const { platform, settings } = this.#context;
    // The sender may have been asked for time while this loop was greeted.
    const closed = await this.#parts.gate.check(view);
    if (closed !== undefined && closed.reason !== "backoff") return { kind: "rest", delayMs: closed.delayMs };
    const feed = view.detail.feed;
    if (feed === undefined || feed.fromAnswers === true) {
      await this.#putFeed(account, lease, (now) => fitPosition(now, true));
      return { kind: "again" };
    }
    const types = [...settings.registry.entities.keys()].sort();
    const own = { ...errand, detail: view.detail, level };
    if (feed.cursor === undefined) {
      const asked = await this.#parts.origin.snapshot(own, feed.loading?.page, types);
      if (!asked.ok) return this.#refused(asked, account, lease, feed);
      await this.#answered(account);
      const contained = await containedIn(this.#context, this.#parts, own, await this.#context.queue.view(account), asked.value);
      if (contained.kind === "unknown")
        return contained.asked === undefined ? { kind: "again" } : this.#refused(contained.asked, account, lease, feed);
      await takeSnapshot(this.#context, account, lease, feed, asked.value, contained.keys);
      return { kind: "again" };
    }
    const askedAt = platform.clock.now();
    const isPatient = this.#isFresh && this.#freshListeners.size === 0 && this.#parts.gate.breaker.kind === "closed";
    const waitS = isPatient ? LONG_POLL_S : 0;
    const { cursor } = feed;
    const asked = await this.#orGivenUp((signal) => this.#parts.origin.changes(own, cursor, types, waitS, signal));
    if (asked === undefined) return { kind: "again" };
    if (!asked.ok) return this.#refused(asked, account, lease, feed);
    await this.#answered(account);
    const page = asked.value;
    // A page that begins elsewhere answers another question: applied, it would leave a gap.
    if (page.from_seq !== feed.seq) return this.#beginAgain(account, lease, feed);
    const isNews = page.to_seq > feed.seq || page.cursor !== feed.cursor || view.detail.feed === undefined;
    if (isNews || (await view.inPhase(["acked"], 0, 1)).length > 0) await takeChanges(this.#context, account, lease, feed, page, askedAt);
    if (page.has_more) return { kind: "again" };
    // A server that answers at once though nothing changed must not be asked in a circle.
    const isEarly = waitS > 0 && !isNews && platform.clock.now() - askedAt < (waitS * 1000) / 2;
    return { kind: "fresh", delayMs: isEarly ? POLL_MS : 0 };
  }

  /** Undefined: nobody wants the answer any more. */
  async #orGivenUp<T>(ask: (signal: Abort) => Promise<T>): Promise<T | undefined> {
    const abort = new Abort();
    const givenUp = new Promise<undefined>((resolve) => {
      this.#giveUp = (): void => {
        abort.abort();
        resolve(undefined);
      };
    });
    const asked = ask(abort);
    try {
      return await Promise.race([asked, givenUp]);
    } finally {
      this.#giveUp = undefined;
      // What becomes of a request that was given up matters to nobody.
      asked.catch(() => undefined);
    }
  }

  /** Behind an open breaker the page was the probe: the sender waits for what it came to. */
  async #answered(account: AccountTag): Promise<void> {
    this.#refusals = 0;
    const { gate } = this.#parts;
    if (gate.breaker.kind === "closed") return;
    await gate.settled(account, { moves: [], failed: false, batch: "keep", breaker: "success" });
  }

  /** Once for each try: when the new one is refused as well, the app is asked again only after the wait. */
  async #hasNewToken(): Promise<boolean> {
    const isFirst = this.#refusals === 0;
    this.#refusals = isFirst ? 1 : 0;
    if (isFirst) await this.#parts.sessions.refresh();
    return isFirst;
  }

  async #refused(
    asked: Asked<unknown> & { readonly ok: false },
    account: AccountTag,
    lease: Lease | undefined,
    feed: FeedPosition,
  ): Promise<Turn> {
    const { settings, platform } = this.#context;
    const { gate } = this.#parts;
    if (asked.finding.code === "CURSOR_EXPIRED") return this.#beginAgain(account, lease, feed);
    this.#isFresh = false;
    this.#faults += 1;
    const judgement = { ...asked.finding, kind: "request" as const, halve: false, chargeIfReachable: false };
    const settlement = settle({
      operations: [],
      judgement,
      failures: this.#faults - 1,
      tlsFailures: 0,
      refusals: this.#refusals,
      policy: settings.backoff,
      now: platform.clock.now(),
      draws: { jitter: platform.random.fraction(), spread: platform.random.fraction() },
    });
    await gate.settled(account, settlement);
    if (settlement.refused === true && (await this.#hasNewToken())) return { kind: "again" };
    if (settlement.lockLost === true && lease !== undefined) await this.#parts.greeter.lockRefused(account, lease, this.#parts.lock);
    return { kind: "rest", delayMs: settlement.wait?.delayMs ?? Math.min(FAULT_MAX_MS, FAULT_BASE_MS * 2 ** Math.min(6, this.#faults)) };
  }

  async #beginAgain(account: AccountTag, lease: Lease | undefined, feed: FeedPosition): Promise<Turn> {
    const { events } = this.#context;
    this.#isFresh = false;
    await this.#putFeed(account, lease, (now) => (now === undefined || now.epoch === feed.epoch ? beginAgain(feed) : now));
    events.emit({
      type: "notice",
      code: "FEED_RESET",
      message: "The server no longer knows how far this device had read. All documents are read again; what waits is kept.",
    });
    return { kind: "again" };
  }

  async #idle(delayMs: number | null): Promise<Turn> {
    this.#isFresh = false;
    await this.#parts.lock.release("pull");
    return { kind: "rest", delayMs };
  }

  async #fault(error: unknown): Promise<Turn> {
    this.#isFresh = false;
    if (error instanceof SyncError && error.code === "STALE_LOCK") {
      await this.#parts.lock.lost();
      return { kind: "again" };
    }
    this.#faults += 1;
    this.#log("pull_failed", error);
    return { kind: "rest", delayMs: Math.min(FAULT_MAX_MS, FAULT_BASE_MS * 2 ** Math.min(10, this.#faults - 1)) };
  }

  #log(event: string, error: unknown): void {
    const msg = "The change feed could not be read or written down; it is tried again.";
    this.#context.settings.telemetry.logger.error({ event_type: event, msg, code: codeOf(error) });
  }
}
