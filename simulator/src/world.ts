import { type HttpRequest, SeededRandom, Timeline, VirtualClock } from "guardian-sync/testing";
import { CanaryWatch } from "./canary-watch.ts";
import { Journal } from "./journal.ts";
import type { Machinery } from "./machinery.ts";
import { type Account, type Fault, type FaultCounts, type Invariant, noFaults, type Violation } from "./model.ts";
import type { Mutant } from "./mutants/mutant.ts";
import { LaneWatch } from "./lane-watch.ts";
import { OperationsWatch } from "./operations-watch.ts";
import { RestraintWatch } from "./restraint-watch.ts";
import { type Scenario, scenarioOf } from "./scenario.ts";
import { SenderWatch } from "./sender-watch.ts";
import { type CommittedChange, ServerHost, short } from "./server-host.ts";
import { Tokens } from "./tokens.ts";
import { ViewWatch } from "./view-watch.ts";

export interface WorldOptions {
  readonly seed: number;
  readonly machinery: Machinery;
  readonly mutant?: Mutant | undefined;
  readonly keepLog?: boolean | undefined;
}

/** Who sent a request, seen from outside. */
export interface Sender {
  readonly device: string;
  readonly process: string;
  readonly fence: number;
}

/** A request as the world knows it. */
interface Sent {
  readonly sender: Sender;
  readonly atMs: number;
  readonly number: number;
  arrivals: number;
}

/** A request that took longer than this on its way was delayed. */
const LATE_MS = 1000;
/** Events that explain what a page shows come a little later. */
const SUSPICION_MS = 5000;

/** One seed's world: its time, its luck, its server, and those who watch. */
export class World {
  readonly seed: number;
  readonly machinery: Machinery;
  readonly mutant: Mutant | null;
  readonly random: SeededRandom;
  readonly timeline: Timeline = new Timeline();
  /** What time it really is. */
  readonly clock: VirtualClock;
  readonly journal: Journal;
  readonly scenario: Scenario;
  readonly tokens: Tokens;
  readonly server: ServerHost;
  readonly serverClock: VirtualClock;
  readonly operations: OperationsWatch;
  readonly senders: SenderWatch;
  readonly lanes: LaneWatch;
  /** Which lane, and how urgent, for those apps that know lanes. */
  readonly laneLuck: SeededRandom;
  readonly restraint: RestraintWatch;
  readonly canaries: CanaryWatch;
  readonly views: ViewWatch;
  readonly faults: FaultCounts = noFaults();
  readonly violations: Violation[] = [];
  readonly #sent = new WeakMap<HttpRequest, Sent>();
  /** The latest request of each device that has arrived. */
  readonly #arrived = new Map<string, number>();
  requests = 0;
  #commits = 0;

  constructor({ seed, machinery, mutant, keepLog }: WorldOptions) {
    this.seed = seed;
    this.machinery = machinery;
    this.mutant = mutant ?? null;
    this.random = new SeededRandom(seed);
    this.clock = new VirtualClock({ timeline: this.timeline });
    this.serverClock = new VirtualClock({ timeline: this.timeline });
    this.journal = new Journal(this.timeline, machinery, keepLog === true);
    this.scenario = scenarioOf(this.random.fork("scenario"));
    this.tokens = new Tokens(this.scenario.accounts);
    this.operations = new OperationsWatch(this.report, !this.scenario.orderings.includes("entity"));
    this.senders = new SenderWatch(this.report);
    this.lanes = new LaneWatch(this.report, this.scenario.orderings.includes("entity") ? this.scenario.concurrency : 1);
    this.laneLuck = this.random.fork("lanes");
    this.restraint = new RestraintWatch(this.report, () => this.timeline.nowMs);
    this.canaries = new CanaryWatch(this.report);
    this.views = new ViewWatch(this.report, this.operations, this.scenario.accounts.length === 1);
    this.views.onSuspicion = (judge) => void this.timeline.after(SUSPICION_MS, judge);
    this.server = new ServerHost({
      clock: this.serverClock,
      random: this.random.fork("server"),
      machinery,
      journal: this.journal,
      scenario: this.scenario,
      authenticate: (token): Account | null => this.tokens.read(token),
      tap: {
        received: (request) => this.#received(request),
        committed: (_, changes, request) => this.#committed(changes, request),
        answered: (operations, results) => this.operations.answered(operations, results),
        injected: this.injected,
      },
    });
  }

  /** The first of each kind is enough: the rest follows from it. */
  readonly report = (invariant: Invariant, message: string): void => {
    this.journal.write("oracle", `${invariant} broken: ${message}`);
    this.violations.push({ invariant, seed: this.seed, atMs: this.timeline.nowMs, message });
  };

  readonly injected = (fault: Fault): void => {
    this.faults[fault] += 1;
  };

  sent(request: HttpRequest, sender: Sender): void {
    this.requests += 1;
    this.#sent.set(request, { sender, atMs: this.timeline.nowMs, number: this.requests, arrivals: 0 });
  }

  #received(request: HttpRequest): void {
    const sent = this.#sent.get(request);
    if (sent === undefined) return;
    const { device } = sent.sender;
    const latest = this.#arrived.get(device) ?? 0;
    if (sent.number < latest) this.injected("reordered");
    if (sent.arrivals === 0 && this.timeline.nowMs - sent.atMs > LATE_MS) this.injected("delayed");
    sent.arrivals += 1;
    this.#arrived.set(device, Math.max(latest, sent.number));
  }

  #committed(changes: readonly CommittedChange[], request: HttpRequest): void {
    const sender = this.#sent.get(request)?.sender;
    this.#commits += 1;
    for (const { seq, clientId, operationId, version } of changes) {
      this.journal.write("server", `commits change ${seq} by operation ${short(operationId ?? "none")}`);
      this.operations.effect(operationId, version, this.#commits);
      if (sender !== undefined && clientId !== null) this.senders.effect(clientId, sender);
    }
  }
}
