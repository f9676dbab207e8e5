/** TWO-PROCESSES and more on one queue file: takeover after a kill and after a freeze, a holder that wakes up too late, many writers. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { memoryStorage } from "@guardian-sync/server/memory";
import { listen } from "@guardian-sync/server/node";
import { SeededRandom } from "guardian-sync/testing";
import { Child } from "./child-process.ts";
import { Cleanup } from "./cleanup.ts";
import type { ClientConfig, ClientMessage } from "./client-child.ts";
import { readFeed } from "./feed.ts";
import { type Fate, GateProxy, PASS } from "./gate-proxy.ts";
import { homeServer } from "./home.ts";
import { type Acknowledged, judgeBooks, judgeFeed } from "./oracle.ts";
import { IMPATIENT, type QueueFile, type Tuning } from "./queue-file.ts";
import { pause, percentile, type Report, until } from "./report.ts";

const SPACE = "home";
const PRINCIPAL = "ada";
const AT_ONCE = 12;

type Client = Child<ClientMessage>;

/** A server behind a gate, one queue file, and the processes that share it. */
class House implements AsyncDisposable {
  readonly acknowledged: Acknowledged[] = [];
  readonly faults: string[] = [];
  takeovers = 0;
  readonly gate: GateProxy;
  readonly #cleanup: Cleanup;
  readonly #origin: string;
  readonly #file: QueueFile;
  readonly #tuning: Tuning;
  readonly #seed: string;
  #started = 0;
  #tags = 0;

  private constructor(cleanup: Cleanup, gate: GateProxy, origin: string, tuning: Tuning, seed: string) {
    this.#cleanup = cleanup;
    this.gate = gate;
    this.#origin = origin;
    this.#tuning = tuning;
    this.#seed = seed;
    const path = join(cleanup.folder(), "queue.db");
    this.#file = { path, keyHex: randomBytes(32).toString("hex"), baseUrl: gate.url, space: SPACE, principal: PRINCIPAL };
  }

  static async open(tuning: Tuning, seed: string): Promise<House> {
    const cleanup = new Cleanup();
    const { url } = cleanup.closing(await listen(homeServer(memoryStorage())));
    const gate = cleanup.closing(await GateProxy.start(() => url));
    return new House(cleanup, gate, url, tuning, seed);
  }

  /** `maxWaiting`: it enqueues by itself, with at most this many waiting. */
  async start(maxWaiting = 0): Promise<Client> {
    const number = ++this.#started;
    const config: ClientConfig = {
      file: this.#file,
      tuning: this.#tuning,
      seed: `${this.#seed}/${number}`,
      prefix: `p${number}`,
      maxWaiting,
    };
    const child: Client = new Child(this.#cleanup, "./client-child.ts", config);
    child.onMessage((message) => {
      if (message.says === "stored") this.acknowledged.push({ id: message.id, seq: message.seq });
      if (message.says === "lock" && message.change === "taken_over") this.takeovers += 1;
      if (message.says === "problem") this.faults.push(`process ${number}: ${message.what} ${message.code}`);
    });
    await child.hear("ready");
    return child;
  }

  async enqueue(client: Client, count: number): Promise<void> {
    const tag = ++this.#tags;
    client.tell({ do: "enqueue", count, tag });
    await client.hear("enqueued", { where: (message) => message.tag === tag, timeoutMs: 60_000 });
  }

  async rest(client: Client): Promise<void> {
    const tag = ++this.#tags;
    client.tell({ do: "rest", tag });
    await client.hear("rested", { where: (message) => message.tag === tag, timeoutMs: 60_000 });
  }

  async drain(client: Client): Promise<void> {
    const tag = ++this.#tags;
    client.tell({ do: "drain", tag, timeoutMs: 60_000 });
    const { empty, reason } = await client.hear("drained", { where: (message) => message.tag === tag, timeoutMs: 70_000 });
    if (!empty) this.faults.push(`not drained: ${reason}`);
  }

  /** The books and the feed, once nothing is sent any more. */
  async judge(witness: Client): Promise<Pick<Report, "figures" | "faults">> {
    const tag = ++this.#tags;
    witness.tell({ do: "status", tag });
    const { status } = await witness.hear("status", { where: (message) => message.tag === tag });
    const changes = await readFeed(this.#origin, SPACE, PRINCIPAL);
    const judged = judgeFeed(this.acknowledged, changes);
    const changed = [...this.gate.sentByKey()].filter(([, { bytes }]) => bytes.size > 1);
    return {
      figures: judged.figures,
      faults: [
        ...judged.faults,
        ...judgeBooks(status, changes.length),
        ...this.faults,
        ...changed.map(([key]) => `key ${key} was sent with different bytes`),
      ],
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cleanup[Symbol.asyncDispose]();
  }
}

interface Trap {
  /** The fence of whoever sent what was caught. */
  readonly sprung: Promise<number>;
  release(): void;
}

/** Catches the next batch at the gate, and lets it or its answer go when told. */
function trap(gate: GateProxy, what: "hold_answer" | "hold_request"): Trap {
  let release: () => void = () => {};
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  let spring: (fence: number) => void = () => {};
  const sprung = new Promise<number>((resolve) => {
    spring = resolve;
  });
  let isArmed = true;
  gate.decide = ({ path, headers }): Fate => {
    if (!isArmed || !path.endsWith("/sync/ops")) return PASS;
    isArmed = false;
    spring(Number(headers["sync-fence"]));
    return { do: what, until };
  };
  return { sprung, release };
}

/** Resolves with the ms from now until `client` says that it has the lock. */
async function takeover(client: Client, from: number): Promise<number> {
  const start = performance.now();
  await client.hear("lock", { from, where: isGain, timeoutMs: 20_000 });
  return performance.now() - start;
}

function isGain({ change }: { readonly change: string }): boolean {
  return change === "acquired" || change === "taken_over";
}

/** Whoever said last that it has the lock. */
function holds(client: Client): boolean {
  const last = client.messages.findLast(({ says }) => says === "lock") as Extract<ClientMessage, { says: "lock" }> | undefined;
  return last !== undefined && isGain(last);
}

/** Of two processes the one that got this fence: what they say comes later than what they send. */
async function holderOf(pair: readonly [Client, Client], fence: number): Promise<{ readonly holder: Client; readonly other: Client }> {
  const got = ({ messages }: Client): boolean =>
    messages.some((message) => message.says === "lock" && isGain(message) && message.fence === fence);
  const holder = await until(`one of the processes to say that it got fence ${fence}`, () => pair.find(got), 10_000);
  return { holder, other: holder === pair[0] ? pair[1] : pair[0] };
}

export interface KillHolderOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Only one of the two has enqueued anything: the survivor must notice by itself what the dead one has left. */
  readonly oneWriter: boolean;
}

export async function killHolder({ rounds, seed, oneWriter }: KillHolderOptions): Promise<Report> {
  // The lock as it is by default: ten seconds, two minutes. Only the fast lock can make a takeover this quick.
  await using house = await House.open(IMPATIENT, `kill-holder ${seed}`);
  const random = new SeededRandom(`kill-holder ${seed}`);
  const times: number[] = [];
  let survivors = await Promise.all([house.start(), house.start()]);
  let bystanders = 0;
  for (let round = 1; round <= rounds; round++) {
    const pair = survivors as [Client, Client];
    const caught = trap(house.gate, random.pick(["hold_answer", "hold_request"]));
    const writer = random.pick(pair);
    await house.enqueue(writer, AT_ONCE);
    const { holder, other } = await holderOf(pair, await caught.sprung);
    if (!oneWriter) await house.enqueue(other, AT_ONCE);
    else if (other !== writer) bystanders += 1;
    // Anywhere between two looks of the other one.
    await pause(random.integer(0, 500));
    const from = other.messages.length;
    holder.signal("SIGKILL");
    times.push(await takeover(other, from));
    await holder.kill();
    // A request of the dead arrives now, or its answer goes nowhere.
    caught.release();
    await house.drain(other);
    survivors = [other, await house.start()];
  }
  const { figures, faults } = await house.judge(survivors[0] as Client);
  const maxMs = Math.max(...times);
  return {
    scenario: oneWriter ? "kill-holder, one writer" : "kill-holder",
    figures: {
      kills: rounds,
      ...(oneWriter ? { survivors_that_had_enqueued_nothing: bystanders } : {}),
      ...figures,
      takeover_p50_ms: Math.round(percentile(times, 0.5)),
      takeover_max_ms: Math.round(maxMs),
    },
    faults: maxMs < 1000 ? faults : [...faults, `a takeover took ${Math.round(maxMs)} ms, the promise is under 1000`],
  };
}

const FREEZING: Tuning = { ...IMPATIENT, lock: { heartbeatMs: 100, staleMs: 1000 } };

export async function freezeHolder({ rounds, seed }: { readonly rounds: number; readonly seed: number }): Promise<Report> {
  await using house = await House.open(FREEZING, `freeze-holder ${seed}`);
  const times: number[] = [];
  const first = await house.start();
  const second = await house.start();
  let lateRecords = 0;
  for (let round = 1; round <= rounds; round++) {
    // Asleep while its answer is on the way, or while its request is.
    const caught = trap(house.gate, round % 4 < 2 ? "hold_answer" : "hold_request");
    await house.enqueue(round % 2 === 1 ? first : second, AT_ONCE);
    const { holder, other: follower } = await holderOf([first, second], await caught.sprung);
    // In every other round it wakes while the other one is still sending: what both hold is still sealed then.
    const rival = round % 2 === 1 ? trap(house.gate, "hold_request") : undefined;
    await house.enqueue(follower, AT_ONCE);
    const from = follower.messages.length;
    holder.signal("SIGSTOP");
    times.push(await takeover(follower, from));
    if (rival === undefined) await house.drain(follower);
    else await rival.sprung;
    caught.release();
    // Whatever answer is to come is there before it wakes, and is its to record, if the store lets it.
    await pause(50);
    const asleep = holder.messages.length;
    holder.signal("SIGCONT");
    await holder.hear("lock", { from: asleep, where: ({ change }) => change === "lost", timeoutMs: 10_000 });
    await pause(100);
    lateRecords += holder.messages.slice(asleep).filter(({ says }) => says === "succeeded").length;
    rival?.release();
    await house.drain(follower);
    // It goes on: it still enqueues, and whoever is free sends.
    await house.enqueue(holder, AT_ONCE);
    await house.drain(holder);
    await house.drain(follower);
  }
  const { figures, faults } = await house.judge(first);
  return {
    scenario: "freeze-holder",
    figures: {
      freezes: rounds,
      ...figures,
      recorded_by_the_woken: lateRecords,
      takeover_p50_ms: Math.round(percentile(times, 0.5)),
      takeover_max_ms: Math.round(Math.max(...times)),
    },
    faults: lateRecords === 0 ? faults : [...faults, `a woken holder recorded ${lateRecords} outcomes that were no longer its own`],
  };
}

/** Several processes that never rest, killed and frozen at random, for shorter and longer than it takes to be called stale. */
export async function storm({
  processes,
  strikes,
  seed,
}: {
  readonly processes: number;
  readonly strikes: number;
  readonly seed: number;
}): Promise<Report> {
  await using house = await House.open(FREEZING, `storm ${seed}`);
  const random = new SeededRandom(`storm ${seed}`);
  const delays = random.fork("delays");
  house.gate.decide = () => ({ do: "hold_answer", until: pause(delays.integer(0, 30)) });
  const clients = await Promise.all(Array.from({ length: processes }, () => house.start(100)));
  const figures = { kills: 0, freezes: 0, frozen_past_stale: 0 };
  for (let strike = 1; strike <= strikes; strike++) {
    await pause(random.integer(0, 400));
    // Mostly whoever sends: the others are easy to lose.
    const holder = clients.findIndex(holds);
    const at = holder >= 0 && random.chance(0.6) ? holder : random.integer(0, processes - 1);
    const victim = clients[at] as Client;
    if (random.chance(0.5)) {
      await victim.kill();
      figures.kills += 1;
      clients[at] = await house.start(100);
      continue;
    }
    const frozenMs = random.integer(100, 2500);
    victim.signal("SIGSTOP");
    await pause(frozenMs);
    victim.signal("SIGCONT");
    figures.freezes += 1;
    if (frozenMs > 1000) figures.frozen_past_stale += 1;
  }
  for (const client of clients) await house.rest(client);
  for (const client of clients) await house.drain(client);
  const judged = await house.judge(clients[0] as Client);
  return {
    scenario: "storm",
    figures: { processes, ...figures, ...judged.figures, takeovers: house.takeovers },
    faults: judged.faults,
  };
}

export async function manyWriters({
  processes,
  each,
  seed,
}: {
  readonly processes: number;
  readonly each: number;
  readonly seed: number;
}): Promise<Report> {
  await using house = await House.open(IMPATIENT, `many-writers ${seed}`);
  const clients = await Promise.all(Array.from({ length: processes }, () => house.start()));
  await Promise.all(clients.map((client) => house.enqueue(client, each)));
  await Promise.all(clients.map((client) => house.drain(client)));
  const { figures, faults } = await house.judge(clients[0] as Client);
  const seqs = house.acknowledged.map(({ seq }) => seq).toSorted((a, b) => a - b);
  const isGapless = seqs.every((seq, index) => seq === index + (seqs[0] as number));
  const holders = clients.filter((client) => client.messages.some((message) => message.says === "lock" && message.change === "acquired"));
  return {
    scenario: "many-writers",
    figures: { processes, ...figures, processes_that_held_the_lock: holders.length },
    faults: isGapless ? faults : [...faults, "the seqs are not one gapless row"],
  };
}
