import type { Json } from "@guardian-sync/protocol";
import type { Finding } from "../core/finding.ts";
import { betterOffset, type ClockOffset, measureOffset } from "../core/clock-offset.ts";
import { type Capabilities, capabilityFell, declaredCapabilities, readHandshake } from "../core/handshake.ts";
import { isOwn } from "../core/lease.ts";
import { type PauseReason, type Settlement, settle, type Strain } from "../core/settlement.ts";
import type { AccountTag, Exchange } from "../ports/index.ts";
import { type AccountView, MAX_SEALED } from "../queue/account-view.ts";
import { fitPosition } from "../queue/feed-position.ts";
import type { Lease } from "../queue/queue.ts";
import { comeBack } from "./comeback.ts";
import type { EngineContext } from "./context.ts";
import type { LockKeeper } from "./lock-keeper.ts";
import type { Errand, Origin } from "./origin.ts";

export type Greeting =
  | { readonly kind: "ready"; readonly capabilities: Capabilities }
  | { readonly kind: "settle"; readonly settlement: Settlement };

/** Learns what the backend can do, once per process and account, and keeps who this client is to it. */
export class Greeter {
  readonly #context: EngineContext;
  readonly #origin: Origin;
  #known: { readonly account: AccountTag; readonly capabilities: Capabilities } | undefined;
  #offset: ClockOffset | undefined;

  constructor(context: EngineContext, origin: Origin) {
    this.#context = context;
    this.#origin = origin;
  }

  get known(): Capabilities | undefined {
    return this.#known?.capabilities;
  }

  forget(): void {
    this.#known = undefined;
  }

  async greet(errand: Errand, account: AccountTag, lease: Lease | undefined, view: AccountView, strain: Strain): Promise<Greeting> {
    if (this.#known?.account === account) return { kind: "ready", capabilities: this.#known.capabilities };
    // What will be sent first is read and opened meanwhile; if that fails, the turn that needs it says so.
    const [asked] = await Promise.all([this.#origin.handshake(errand), view.fresh(1).catch(() => undefined)]);
    if (!asked.ok) {
      if (!meansNoHandshake(asked.finding)) return this.#trouble(asked.finding, strain);
      return this.#adopt(account, lease, view, this.#declared(), asked.exchange);
    }
    const read = readHandshake(asked.value, errand.session.account);
    if (!read.ok) return pause("principal_mismatch", read.code);
    return this.#adopt(account, lease, view, read.capabilities, asked.exchange, asked.value.server_time);
  }

  async correctClock(account: AccountTag, lease: Lease | undefined, exchange: Exchange): Promise<void> {
    const offsetMs = this.#offsetBy(exchange);
    if (offsetMs === undefined) return;
    await this.#context.queue.change(account, lease, (view, change) => {
      if (view.detail.clockOffsetMs !== offsetMs) change.putAccountDetail({ ...view.detail, clockOffsetMs: offsetMs });
    });
  }

  /** What this answer says of it; else what an earlier one said. */
  #offsetBy(exchange: Exchange, serverTime?: string): number | undefined {
    if (exchange.kind !== "answer") return undefined;
    const measured = measureOffset({
      receivedAt: this.#context.platform.clock.now(),
      elapsedMs: exchange.elapsedMs,
      serverTime,
      date: exchange.headers.date,
    });
    this.#offset = betterOffset(undefined, measured) ?? this.#offset;
    return this.#offset?.offsetMs;
  }

  /** The server refuses our fence or lease: either the lock is gone, or this queue file is a copy, or was restored. */
  async lockRefused(account: AccountTag, lease: Lease, lock: LockKeeper): Promise<void> {
    const row = await this.#context.queue.opened.store.readLock();
    if (row === undefined || !isOwn(row, lease)) return lock.lost();
    await this.newClientId(account, lease);
  }

  /**
   * The server counts otherwise than this queue: from here on it is another client. Sealed operations keep their keys and
   * bytes, so what was applied under the old id is replayed, not repeated.
   */
  async newClientId(account: AccountTag, lease: Lease): Promise<void> {
    const { queue, events } = this.#context;
    await queue.change(account, lease, async (view, change) => {
      const sealed = (await view.inPhase(["sealed"], 0, MAX_SEALED)).filter((operation) => (operation.row?.opNumber ?? 0) > 0);
      sealed.forEach((operation, index) => {
        change.touch(operation, { opNumber: index + 1 });
      });
      change.putAccountDetail({ ...view.detail, clientId: queue.newUuid(), nextOpNumber: sealed.length + 1 });
    });
    events.emit({
      type: "notice",
      code: "NEW_CLIENT_ID",
      message: "The server knew this queue differently (a copy, a restored file or a restored server). It goes on under a new client id.",
    });
  }

  async #adopt(
    account: AccountTag,
    lease: Lease | undefined,
    view: AccountView,
    capabilities: Capabilities,
    exchange: Exchange,
    serverTime?: string,
  ): Promise<Greeting> {
    const { queue, settings, events } = this.#context;
    const before = view.detail.handshake as Capabilities | undefined;
    const lost = before === undefined ? [] : capabilityFell(before, capabilities);
    if (lost.length > 0 || capabilities.level < settings.backend.minimumLevel) {
      const why =
        lost.length > 0
          ? lost.join("; ")
          : `it offers level ${capabilities.level}, and backend.minimumLevel is ${settings.backend.minimumLevel}`;
      events.emit({
        type: "alert",
        code: "BACKEND_CHANGED",
        message: `The backend promises less than it must: ${why}. Everything is kept; nothing is sent.`,
      });
      return pause("backend_changed", "BACKEND_CHANGED");
    }
    const clockOffsetMs = this.#offsetBy(exchange, serverTime);
    let mayComeBack = false;
    await queue.change(account, lease, (now, change) => {
      const isNews = JSON.stringify(now.detail.handshake) !== JSON.stringify(capabilities);
      mayComeBack = isNews && now.row.counts.parked > 0;
      const corrected = clockOffsetMs === undefined ? now.detail : { ...now.detail, clockOffsetMs };
      // Before the first operation is sent: from its answer on, the view must know whether an echo will come.
      const feed = now.detail.feed === undefined ? {} : { feed: fitPosition(now.detail.feed, capabilities.feed) };
      if (isNews) change.putAccountDetail({ ...corrected, ...feed, handshake: capabilities as unknown as Json });
      else if (corrected.clockOffsetMs !== now.detail.clockOffsetMs) change.putAccountDetail(corrected);
    });
    if (mayComeBack) await comeBack(this.#context, account, capabilities, lease);
    this.#known = { account, capabilities };
    return { kind: "ready", capabilities };
  }

  #declared(): Capabilities {
    const { backend, registry } = this.#context.settings;
    const level = backend.level ?? 0;
    const facts = { conditionalWrites: level >= 1, idempotencyKeys: level >= 2, changeFeed: level >= 3, syncProtocol: false };
    const collections = [...registry.entities.values()].flatMap(({ type, collection }) =>
      collection === undefined ? [] : [[type, collection] as const],
    );
    return declaredCapabilities(facts, Object.fromEntries(collections));
  }

  #trouble(finding: Finding, strain: Strain): Greeting {
    const { platform } = this.#context;
    const judgement = { ...finding, kind: "request" as const, halve: false, chargeIfReachable: false };
    const settlement = settle({
      operations: [],
      judgement,
      ...strain,
      now: platform.clock.now(),
      draws: { jitter: platform.random.fraction(), spread: platform.random.fraction() },
    });
    return { kind: "settle", settlement };
  }
}

/** A backend without the sync face: it is not there, or the method is not. */
function meansNoHandshake({ step, status }: Finding): boolean {
  return step === "gone" || (step === "fail" && status === 405) || status === 501;
}

function pause(reason: PauseReason, code: string): Greeting {
  return {
    kind: "settle",
    settlement: { moves: [], failed: false, batch: "keep", breaker: "none", pause: { reason, code, security: false } },
  };
}
