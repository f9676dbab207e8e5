/** KILL-SERVER: the client stays, the server process is killed at random moments and started again on its data and its port. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { SeededRandom } from "guardian-sync/testing";
import { Child } from "./child-process.ts";
import { Cleanup } from "./cleanup.ts";
import { readFeed } from "./feed.ts";
import type { KillOptions } from "./kill-client.ts";
import { type Acknowledged, judgeBooks, judgeFeed } from "./oracle.ts";
import { IMPATIENT, openQueue } from "./queue-file.ts";
import type { Report } from "./report.ts";
import { pause } from "./report.ts";
import type { ServerConfig, ServerMessage } from "./server-child.ts";
import { Workload } from "./workload.ts";

const SPACE = "home";
const PRINCIPAL = "ada";
const MAX_WAITING = 300;

export async function killServer({ kills, seed }: KillOptions): Promise<Report> {
  await using cleanup = new Cleanup();
  const random = new SeededRandom(`kill-server ${seed}`);
  const folder = cleanup.folder();
  const faults: string[] = [];
  const start = (port: number): Child<ServerMessage> =>
    new Child<ServerMessage>(cleanup, "./server-child.ts", { path: join(folder, "server.db"), port } satisfies ServerConfig);

  let server = start(0);
  const { url, port } = await server.hear("listening");
  const file = {
    path: join(folder, "queue.db"),
    keyHex: randomBytes(32).toString("hex"),
    baseUrl: url,
    space: SPACE,
    principal: PRINCIPAL,
  };
  const sync = cleanup.closing(await openQueue(file, IMPATIENT));
  for (const type of ["failed", "parked", "conflict"] as const) {
    sync.on(type, ({ operation, code }) => faults.push(`${type} ${operation.type} ${operation.operationId}: ${code}`));
  }
  sync.on("paused", ({ reason }) => faults.push(`paused: ${reason}`));
  let retries = 0;
  sync.on("retried", () => {
    retries += 1;
  });
  let replayed = 0;
  sync.on("succeeded", (event) => {
    if (event.replayed) replayed += 1;
  });

  const acknowledged: Acknowledged[] = [];
  const workload = new Workload(sync, { seed, prefix: "house", onAcknowledged: (one) => acknowledged.push(one) });
  let isWorking = true;
  const working = (async () => {
    while (isWorking) {
      await workload.step();
      const { pending, sealed } = await sync.status();
      await pause(pending + sealed > MAX_WAITING ? 20 : 1);
    }
  })();
  try {
    for (let kill = 1; kill <= kills; kill++) {
      if (random.chance(0.2)) await pause(random.integer(50, 300));
      else {
        await server.hear("listening");
        await pause(random.integer(0, 250));
      }
      await server.kill();
      server = start(port);
    }
    await server.hear("listening");
  } finally {
    isWorking = false;
    await working;
  }

  const drained = await sync.drain({ timeoutMs: 60_000 });
  if (!drained.empty) faults.push(`not drained: ${drained.reason ?? ""}`);
  const changes = await readFeed(url, SPACE, PRINCIPAL);
  const judged = judgeFeed(acknowledged, changes);
  return {
    scenario: "kill-server",
    figures: { kills, ...judged.figures, replayed, charged_retries: retries },
    faults: [...judged.faults, ...judgeBooks(await sync.status(), changes.length), ...faults],
  };
}
