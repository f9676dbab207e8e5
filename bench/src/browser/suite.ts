import { type Row, spread } from "../measure.ts";
import { SEEN_PATH, slowBackend } from "../slow-backend.ts";
import type { Figures } from "../table.ts";
import { type BenchBrowser, openBrowser } from "./chromium.ts";
import { type BrowserContender, CONTENDERS, type EventName } from "./contenders.ts";
import type { EnqueueRun, SubjectId } from "./page.ts";
import { buildSite } from "./site.ts";

const LATENCY_MS = 50;
const BATCH = 50;
const THEORY: Rival = { name: "theory", value: (BATCH * 1000) / LATENCY_MS };

export interface BrowserFigures {
  readonly version: string;
  readonly rows: readonly Row[];
  readonly figures: Figures;
}
export interface BrowserSuiteOptions {
  readonly rounds: number;
  /** How much longer rounds are than the shortest that tell something. */
  readonly scale: number;
  /** How many operations wait when a queue is opened. */
  readonly pending: number;
  readonly note: (text: string) => void;
}

/** A column of the table of contenders. */
interface Event {
  readonly name: EventName;
  readonly what: string;
  readonly unit: "/s" | " ms";
  readonly measure: (contender: BrowserContender, round: number) => Promise<number>;
  readonly goals: readonly Goal[];
}
/** A figure that was not measured. */
interface Rival {
  readonly name: string;
  readonly value: number;
}
interface Goal {
  readonly to: BrowserContender["id"] | "each peer" | "the best peer" | Rival;
  /** Ours ÷ theirs, or for times theirs ÷ ours, must be at least this. None: shown for orientation. */
  readonly goal?: number;
}
/** Of each contender, one figure a round. */
type Measured = ReadonlyMap<BrowserContender["id"], readonly number[]>;

/** Every contender in one browser, one after the other in every round. */
export async function browserSuite({ rounds, scale, pending, note }: BrowserSuiteOptions): Promise<BrowserFigures> {
  const site = await buildSite();
  const quick = await slowBackend(0, site);
  const slow = await slowBackend(LATENCY_MS, site);
  const browser = await openBrowser();
  const enqueue = (name: EventName, what: string, size: number, times: number, goals: readonly Goal[]): Event => ({
    name,
    what,
    unit: "/s",
    measure: ({ id, role }, round) => {
      // A limit knows no callers: what comes at once is one transaction.
      const as: EnqueueRun["as"] = name === "many" || role === "limit" ? "many" : "callers";
      return browser.call(quick.url, "enqueue", {
        subject: id as SubjectId,
        name: `${name}-${id}-${round}`,
        size,
        as,
        times: times * scale,
      });
    },
    goals,
  });
  const events: readonly Event[] = [
    enqueue("one", "1 awaited", 1, 250, [
      { to: "rows", goal: 0.9 },
      { to: "each peer", goal: 1 },
    ]),
    enqueue("callers", "100 at once, each awaiting its own", 100, 5, [{ to: "segments" }, { to: "each peer", goal: 1 }]),
    enqueue("many", "1,000 at once", 1000, 3, [
      { to: "segments", goal: 0.75 },
      { to: "the best peer", goal: 3 },
    ]),
    {
      name: "open",
      what: `first request with ${pending.toLocaleString("en")} pending`,
      unit: " ms",
      measure: (contender, round) => open(browser, quick.url, contender, round, pending),
      goals: [{ to: "segments", goal: 0.2 }],
    },
    {
      name: "drain",
      what: `drain at ${LATENCY_MS} ms, ours ${BATCH} each`,
      unit: "/s",
      measure: (contender, round) => drain(browser, slow.url, contender, round, scale),
      goals: [
        { to: THEORY, goal: 0.93 },
        { to: "bare", goal: 0.93 },
        { to: "tanstack", goal: 50 },
      ],
    },
  ];
  try {
    const measured: Measured[] = [];
    for (const event of events) {
      measured.push(await interleaved(event, rounds, note));
      for (const { url } of [quick, slow]) await browser.call(url, "deleteDatabases");
    }
    return {
      version: browser.version,
      rows: events.flatMap((event, index) => goalRows(event, measured[index] as Measured, rounds)),
      figures: figuresOf(events, measured),
    };
  } finally {
    await browser.close();
    await quick.close();
    await slow.close();
  }
}

async function interleaved(event: Event, rounds: number, note: (text: string) => void): Promise<Measured> {
  const able = CONTENDERS.filter(({ cannot }) => cannot[event.name] === undefined);
  const figures = new Map(able.map(({ id }): [BrowserContender["id"], number[]] => [id, []]));
  for (let round = 0; round < rounds; round++) {
    // Who goes first changes, so that nobody always meets the disk that the same one left behind.
    const order = [...able.slice(round % able.length), ...able.slice(0, round % able.length)];
    for (const contender of order) {
      note(`${event.what}: round ${round + 1} of ${rounds}, ${contender.name}`);
      try {
        figures.get(contender.id)?.push(await event.measure(contender, round));
      } catch (error) {
        throw new Error(`${event.what}, ${contender.name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    }
  }
  return figures;
}

async function open(browser: BenchBrowser, origin: string, contender: BrowserContender, round: number, pending: number): Promise<number> {
  const { id, isFilledOnce } = contender;
  const name = isFilledOnce === true ? `open-${id}` : `open-${id}-${round}`;
  await browser.call(origin, "fill", id as SubjectId, name, pending);
  return browser.call(origin, "firstRequest", id as SubjectId, name);
}

async function drain(browser: BenchBrowser, origin: string, contender: BrowserContender, round: number, scale: number): Promise<number> {
  const { id, isOneByOne } = contender;
  const requests = 20 * scale;
  if (id === "bare") return browser.call(origin, "bareClient", origin, BATCH, requests);
  const units = isOneByOne === true ? requests : requests * BATCH;
  await seen(origin);
  const rate = await browser.call(origin, "drain", id, `drain-${id}-${round}`, units);
  // One more: the first, which makes the connection.
  const arrived = await seen(origin);
  if (arrived !== units + 1) throw new Error(`${arrived} operations arrived, and ${units + 1} were sent`);
  return rate;
}

async function seen(origin: string): Promise<number> {
  return Number(await (await fetch(`${origin}${SEEN_PATH}`)).text());
}

function goalRows(event: Event, measured: Measured, rounds: number): readonly Row[] {
  const ours = CONTENDERS.filter(({ role }) => role === "ours");
  return ours.flatMap((contender) =>
    event.goals.flatMap(({ to, goal }) =>
      rivals(to, event, measured, rounds).map(({ name, values }): Row => {
        const own = measured.get(contender.id) ?? [];
        const ratio = spread(own.map((value, index) => over(event, value, values[index] as number)));
        return {
          suite: "browser",
          what: `${event.what}: ${contender.name}, to ${name}`,
          unit: event.unit,
          ours: spread(own),
          limit: spread(values),
          ratio,
          goal,
          met: goal === undefined ? undefined : ratio.median >= goal,
        };
      }),
    ),
  );
}

/** How many times better. */
function over({ unit }: Event, ours: number, theirs: number): number {
  return unit === " ms" ? theirs / ours : ours / theirs;
}

function rivals(to: Goal["to"], event: Event, measured: Measured, rounds: number): readonly { name: string; values: readonly number[] }[] {
  if (typeof to === "object") return [{ name: to.name, values: Array.from({ length: rounds }, () => to.value) }];
  const known = CONTENDERS.flatMap(({ id, name, role }) => {
    const values = measured.get(id);
    return values === undefined ? [] : [{ id, name, role, values }];
  });
  const peers = known.filter(({ role }) => role === "peer");
  if (to === "each peer") return peers;
  if (to !== "the best peer") return known.filter(({ id }) => id === to);
  return peers.toSorted((a, b) => over(event, spread(b.values).median, spread(a.values).median) - 1).slice(0, 1);
}

function figuresOf(events: readonly Event[], measured: readonly Measured[]): Figures {
  return {
    columns: events.map(({ what, unit }) => ({ what, unit })),
    lines: CONTENDERS.map(({ id, name, durability, cannot }) => ({
      name,
      durability,
      cells: events.map((event, index) => {
        const values = measured[index]?.get(id);
        return values === undefined ? { footnote: cannot[event.name] ?? "It was not measured." } : spread(values);
      }),
    })),
  };
}
