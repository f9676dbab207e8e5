import { join } from "node:path";
import { memoryStorage } from "@guardian-sync/server/memory";
import { listen } from "@guardian-sync/server/node";
import { expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { readFeed } from "./feed.ts";
import { homeServer } from "./home.ts";
import { openQueue, type QueueFile } from "./queue-file.ts";
import { until } from "./report.ts";

const device = (entityId: string) => ({ type: "CREATE", entityType: "device", entityId, payload: { name: "lamp", n: 1 } }) as const;

test("L1 Q9 an engine that rests notices what others write: new work, a pause, and its end", async () => {
  await using cleanup = new Cleanup();
  const { url } = cleanup.closing(await listen(homeServer(memoryStorage())));
  const path = join(cleanup.folder(), "queue.db");
  const file: QueueFile = { path, keyHex: "ab".repeat(32), baseUrl: url, space: "home", principal: "ada" };
  const effects = async (): Promise<number> => (await readFeed(url, "home", "ada")).length;

  const resting = cleanup.closing(await openQueue(file));
  await until("rest", async () => (await resting.status()).state === "idle");
  // A tool that only enqueues, and ends.
  const tool = await openQueue(file, { autoStart: false });
  await tool.enqueue(device("d1"));
  await tool.close();
  await until("the first effect", async () => (await effects()) === 1, 5000);

  const operator = cleanup.closing(await openQueue(file, { autoStart: false }));
  await operator.pause("maintenance");
  await until("the pause", async () => (await resting.status()).state === "paused", 5000);
  await operator.enqueue(device("d2"));
  expect(await effects()).toBe(1);
  await operator.resume();
  await until("the second effect", async () => (await effects()) === 2, 5000);
});
