import type { Ordering } from "@guardian-sync/protocol";
import type { Judgement, SentOperation } from "../core/answer.ts";
import { lanesAheadOf, lanesOf } from "../core/lanes.ts";
import type { Capabilities } from "../core/handshake.ts";
import { type BucketState, fullBucket, takeToken } from "../core/rate-limit.ts";
import { faceOf, restRequest } from "../core/render.ts";
import { sameAccount, type Session } from "../core/session.ts";
import { settle, type Settlement, type Strain } from "../core/settlement.ts";
import type { AccountTag, Exchange } from "../ports/index.ts";
import type { Lease } from "../queue/queue.ts";
import { currentKey, isNumbered, type SendableRecord } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";
import type { Ending } from "./ending.ts";
import type { Gate } from "./gate.ts";
import type { Greeter } from "./greeter.ts";
import { waitingOf } from "./lookahead.ts";
import type { LockKeeper } from "./lock-keeper.ts";
import type { Errand, Origin } from "./origin.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import { type Turn, waiting, waitingFor } from "./turn.ts";

/** For whom, under which lock, to a backend that can what. */
export interface Mandate {
  readonly session: Session;
  readonly account: AccountTag;
  readonly lease: Lease;
  readonly capabilities: Capabilities;
}
export interface SenderParts {
  readonly sessions: SessionKeeper;
  readonly lock: LockKeeper;
  readonly gate: Gate;
  readonly origin: Origin;
  readonly greeter: Greeter;
  readonly ending: Ending;
  readonly isStopping: () => boolean;
}

export interface Reply {
  readonly judgement: Judgement;
  readonly exchange: Exchange;
  readonly elapsedMs: number;
}

export const NO_STRAIN: Strain = { failures: 0, tlsFailures: 0, refusals: 0 };

/** How requests leave: the last look before, the request itself, and what its answer means at first. */
export class Departure {
  readonly #context: EngineContext;
  readonly #parts: SenderParts;
  #bucket: BucketState;

  constructor(context: EngineContext, parts: SenderParts) {
    this.#context = context;
    this.#parts = parts;
    this.#bucket = fullBucket(context.settings.rateLimit, context.platform.clock.monotonic());
  }

  /** The last look before bytes leave: a token of the limiter, the same account, the same lease, no wish of the origin. Undefined: go. */
  async mayStart({ session, lease }: Mandate): Promise<Turn | undefined> {
    const { platform, settings } = this.#context;
    const { gate, lock, sessions, isStopping } = this.#parts;
    const token = takeToken(this.#bucket, platform.clock.monotonic(), settings.rateLimit);
    this.#bucket = token.state;
    if (token.waitMs > 0) return waiting("rate_limit", token.waitMs, platform.clock.now());
    const held = await lock.ensure("send");
    // What is asked from here on cannot change before the request starts.
    const isOurs = held.held && held.lease.fence === lease.fence;
    const { last } = sessions;
    if (!isOurs || isStopping() || last === null || !sameAccount(last.account, session.account)) return { kind: "again" };
    const closed = gate.held();
    return closed === undefined ? undefined : waitingFor(closed);
  }

  /** A request that is waited for a little later: until then its failure is nobody's to handle. */
  begin(errand: Errand, records: readonly SendableRecord[]): Promise<Reply> {
    const underWay = this.request(errand, records);
    underWay.catch(() => undefined);
    return underWay;
  }

  /** The bytes of a request that has just started go out before the disk keeps this thread busy. */
  letLeave(): Promise<void> {
    return new Promise((resolve) => {
      this.#context.platform.clock.schedule(0, resolve, { keepAlive: true });
    });
  }

  async request(errand: Errand, records: readonly SendableRecord[]): Promise<Reply> {
    const { settings, platform, meters } = this.#context;
    const { gate, origin } = this.#parts;
    const operations: SentOperation[] = records.map(({ operation }) => {
      const overrides = settings.registry.operations.get(operation.content.type)?.outcomes;
      const { type, groupId } = operation.content;
      return { key: currentKey(operation), type, groupId, ...(overrides === undefined ? {} : { overrides }) };
    });
    const startedAt = platform.clock.monotonic();
    const [first] = records as [SendableRecord];
    const { judgement, exchange } =
      faceOf(first.text) === "sync"
        ? await origin.sendBatch(errand, records, operations)
        : await origin.sendRest(errand, first, restRequest(first.text), operations[0] as SentOperation);
    meters.exchanged(exchange.kind === "answer");
    // Here, not where it is settled: the disk may keep whoever waits for this answer busy, and the reader asks meanwhile.
    if (judgement.kind === "request" && judgement.retryAfterMs !== undefined) gate.heed(this.settle(records, judgement, NO_STRAIN));
    return { judgement, exchange, elapsedMs: platform.clock.monotonic() - startedAt };
  }

  settle(records: readonly SendableRecord[], judgement: Judgement, strain: Strain): Settlement {
    const { settings, platform } = this.#context;
    return settle({
      operations: records.map(({ operation, sentBefore }) => ({
        key: currentKey(operation),
        groupId: operation.content.groupId,
        attempts: operation.row?.attempts ?? 0,
        policy: settings.backoff,
        sentBefore,
        skewCorrected: operation.detail.skewCorrected === true,
        lanes: lanesOf(waitingOf(operation)),
        ahead: lanesAheadOf(waitingOf(operation)),
      })),
      judgement,
      ...strain,
      ordering: this.#orderingOf(records),
      now: platform.clock.now(),
      draws: { jitter: platform.random.fraction(), spread: platform.random.fraction() },
    });
  }

  /** As it was sealed, whatever the app's option says since. */
  #orderingOf(records: readonly SendableRecord[]): Ordering {
    if (records.every(isNumbered)) return "global";
    return records.some(({ text }) => faceOf(text) === "sync") ? "entity" : this.#context.settings.ordering;
  }
}
