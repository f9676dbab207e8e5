/** KILL-CLIENT: a process that enqueues and syncs without pause is killed at random moments and started again on its queue file. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { listen } from "@guardian-sync/server/node";
import { sqliteStorage } from "@guardian-sync/server/sqlite";
import { SeededRandom } from "guardian-sync/testing";
import { Child } from "./child-process.ts";
import { Cleanup } from "./cleanup.ts";
import type { ClientCommand, ClientConfig, ClientMessage } from "./client-child.ts";
import { readFeed } from "./feed.ts";
import { GateProxy } from "./gate-proxy.ts";
import { homeServer } from "./home.ts";
import { type Acknowledged, judgeBooks, judgeFeed } from "./oracle.ts";
import { IMPATIENT } from "./queue-file.ts";
import type { Report } from "./report.ts";
import { pause } from "./report.ts";

export interface KillOptions {
  readonly kills: number;
  readonly seed: number;
}

const SPACE = "home";
const PRINCIPAL = "ada";

export async function killClient({ kills, seed }: KillOptions): Promise<Report> {
  await using cleanup = new Cleanup();
  const random = new SeededRandom(`kill-client ${seed}`);
  const folder = cleanup.folder();
  const storage = cleanup.closing(sqliteStorage({ path: join(folder, "server.db") }));
  const { url } = cleanup.closing(await listen(homeServer(storage)));
  // Answers that take a while: many of the kills fall between the server's commit and the client's record of it.
  const delays = random.fork("delays");
  const proxy = cleanup.closing(
    await GateProxy.start(
      () => url,
      () => ({ do: "hold_answer", until: pause(delays.integer(0, 20)) }),
    ),
  );
  const file = {
    path: join(folder, "queue.db"),
    keyHex: randomBytes(32).toString("hex"),
    baseUrl: proxy.url,
    space: SPACE,
    principal: PRINCIPAL,
  };
  const acknowledged: Acknowledged[] = [];
  const problems: string[] = [];
  const tell = (child: Client, command: ClientCommand): void => child.tell(command);
  let whileOpening = 0;
  let replayed = 0;

  const life = (number: number, maxWaiting: number): Client => {
    const config: ClientConfig = { file, tuning: IMPATIENT, seed: `${seed}/${number}`, prefix: `life${number}`, maxWaiting };
    const child: Client = new Child(cleanup, "./client-child.ts", config);
    child.onMessage((message) => {
      if (message.says === "stored") acknowledged.push({ id: message.id, seq: message.seq });
      if (message.says === "succeeded" && message.replayed) replayed += 1;
      if (message.says === "problem") problems.push(`life ${number}: ${message.what} ${message.code}`);
    });
    return child;
  };

  for (let kill = 1; kill <= kills; kill++) {
    const child = life(kill, 200);
    // Some die while they open the file, before they have said anything.
    if (random.chance(0.2)) {
      await pause(random.integer(60, 350));
      if (!child.messages.some(({ says }) => says === "ready")) whileOpening += 1;
    } else {
      await child.hear("ready");
      await pause(random.integer(0, 250));
    }
    if (child.hasEnded) problems.push(`life ${kill} ended by itself: ${child.errors}`);
    await child.kill();
  }

  const last = life(kills + 1, 0);
  await last.hear("ready");
  tell(last, { do: "enqueue", count: 10, tag: 1 });
  await last.hear("enqueued");
  tell(last, { do: "drain", tag: 2, timeoutMs: 60_000 });
  const { empty, reason } = await last.hear("drained", { timeoutMs: 70_000 });
  tell(last, { do: "status", tag: 3 });
  const { status } = await last.hear("status");
  const changes = await readFeed(url, SPACE, PRINCIPAL);
  const judged = judgeFeed(acknowledged, changes);
  for (const [key, { bytes }] of proxy.sentByKey()) if (bytes.size > 1) problems.push(`key ${key} was sent with different bytes`);
  return {
    scenario: "kill-client",
    figures: { kills, killed_while_opening: whileOpening, ...judged.figures, replayed },
    faults: [...judged.faults, ...judgeBooks(status, changes.length), ...problems, ...(empty ? [] : [`not drained: ${reason}`])],
  };
}

type Client = Child<ClientMessage>;
