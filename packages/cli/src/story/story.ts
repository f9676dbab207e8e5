import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ListenError } from "@guardian-sync/server/node";
import { CliError, EXIT, type ExitCode, usageError } from "../exit.ts";
import type { Terminal } from "../output/terminal.ts";
import { Cast } from "./cast.ts";
import { boxes } from "./drawing.ts";
import { type House, openHouse } from "./house.ts";
import { pages } from "./page.ts";
import { reckon } from "./reckoning.ts";
import { FURNISH, IN_THE_CELLAR, MEANWHILE } from "./script.ts";
import { Stage } from "./stage.ts";

const DEFAULT_PORT = 8080;
/** Between steps, for people who read along. */
const PAUSE_MS = 500;

export interface StoryOptions {
  /** Of the server; 0 is any. Default: PORT, then 8080. */
  readonly port?: number;
}

/**
 * Two devices, one server, a bad day: told as it happens, with real processes and files. Afterwards the server stays up until the
 * process is told to end. Leaves nothing behind, however it ends.
 */
export async function tellStory(terminal: Terminal, options: StoryOptions = {}): Promise<ExitCode> {
  const port = options.port ?? portOf(terminal.env.PORT);
  const ending = new AbortController();
  const onSignal = (): void => ending.abort();
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  const told = new Promise<void>((resolve) => ending.signal.addEventListener("abort", () => resolve(), { once: true }));
  const folder = mkdtempSync(join(tmpdir(), "guardian-story-"));
  let cast: Cast | undefined;
  let house: House | undefined;
  try {
    house = await openHouse({ folder, port, pages: pages(() => ({ cast, house })) }).catch(rethrow);
    cast = new Cast(folder, house);
    const stage = new Stage(terminal);
    const pauseMs = terminal.isTty ? PAUSE_MS : 0;
    const plot = play(stage, house, cast, () => sleep(pauseMs, undefined, { signal: ending.signal }));
    const isRight = await Promise.race([plot, told.then(() => undefined)]);
    if (isRight === undefined) {
      // What the plot was waiting for is about to be taken away from it.
      plot.catch(() => {});
      stage.bad("Stopped before the end.");
      stage.close();
      return EXIT.failure;
    }
    if (!isRight) return EXIT.failure;
    stage.say("", `The server stays up: ${house.url}`, "Status page, /metrics and /health are there. Ctrl-C ends it.");
    await told;
    return EXIT.ok;
  } finally {
    await cast?.end();
    await house?.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** Resolves with whether the account is right. `pause` rejects when the story is to end. */
async function play(stage: Stage, house: House, cast: Cast, pause: () => Promise<void>): Promise<boolean> {
  stage.title("Guardian Sync: two devices, one server, a bad day");
  const [a, b] = await Promise.all([cast.start("A"), cast.start("B")]);
  const server = ["server", `port ${house.port}`, "SQLite"];
  const box = (name: string): readonly string[] => [`device ${name}`, `pid ${cast.pid(name)}`, "own queue file"];
  stage.say(...boxes(stage.glyphs, [box("A"), server, box("B")]));
  await pause();

  stage.step(`Device A furnishes the house: ${FURNISH.length} operations`);
  await a.edit(stage.gauge("A  queue", FURNISH.length), FURNISH);
  await a.drain(stage.gauge("A  syncs", FURNISH.length));
  await pause();

  stage.step(`Device B loses its network, and works on: ${IN_THE_CELLAR.length} operations`);
  await b.goOffline();
  stage.say(...boxes(stage.glyphs, [box("A"), server, box("B")], [false, true]));
  await b.edit(stage.gauge("B  queue", IN_THE_CELLAR.length), IN_THE_CELLAR);
  await pause();

  stage.step("Device B is killed: SIGKILL, no warning, nothing tidied up");
  const pid = cast.pid("B");
  await b.kill();
  stage.say(`process ${pid} is gone; its queue file is what it left`);
  await pause();

  stage.step("Meanwhile device A changes the same lamps");
  await a.edit(stage.gauge("A  queue", MEANWHILE.length), MEANWHILE);
  await a.drain(stage.gauge("A  syncs", MEANWHILE.length));
  await pause();

  stage.step("Device B starts again, still offline, and remembers everything");
  const found = await b.restart({ isOnline: false });
  stage.gauge("B  queue", IN_THE_CELLAR.length).end(found.pending + found.sealed, `process ${cast.pid("B")}`);
  await pause();

  stage.step("Its network returns, and it is killed again at the worst moment");
  const struck = house.loseNextAnswer("B", () => b.kill());
  await b.goOnline();
  const written = await struck;
  stage.say(`the server has written ${written} of its operations; B never got the answer`);
  await pause();

  stage.step("Device B starts again, and sends what it cannot know was received");
  await b.restart({ isOnline: true });
  await b.drain(stage.gauge("B  syncs", IN_THE_CELLAR.length));
  stage.say(`${house.ledger.replays("B")} of them the server knew by their keys: answered again, not done again`);
  await pause();

  stage.step("The account");
  const reckoning = reckon(await cast.accounts(), await house.ledger.effects());
  stage.say(...reckoning.lines);
  if (reckoning.isRight) stage.good(`${reckoning.operations} operations, ${reckoning.effects} effects, each exactly once.`);
  else stage.bad("Something is wrong:", ...reckoning.problems);
  await cast.close();
  return reckoning.isRight;
}

export function portOf(text: string | undefined): number {
  if (text === undefined || text === "") return DEFAULT_PORT;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw usageError(`PORT=${text} is no port. Give a number from 0 (any) to 65535.`);
  return Number(text);
}

function rethrow(error: unknown): never {
  if (!(error instanceof ListenError)) throw error;
  const message = `${error.message.slice(0, 1).toUpperCase()}${error.message.slice(1)}. For example: guardian demo --port 8090`;
  throw new CliError(message, { code: error.code });
}
