/** Entry of a client process: opens the queue file, says what it stored, does what it is told, and expects to be killed. */
import { createInterface } from "node:readline";
import type { EngineStatus, SyncEngine } from "guardian-sync";
import type { Acknowledged } from "./oracle.ts";
import { openQueue, type QueueFile, type Tuning } from "./queue-file.ts";
import { pause } from "./report.ts";
import { sayLine } from "./say.ts";
import { Workload } from "./workload.ts";

export interface ClientConfig {
  readonly file: QueueFile;
  readonly tuning: Tuning;
  readonly seed: string;
  /** Of its entities' ids. */
  readonly prefix: string;
  /** Enqueue by itself until it is killed, with at most this many waiting; 0 = only when told. */
  readonly maxWaiting: number;
}
export type ClientCommand =
  | { readonly do: "enqueue"; readonly count: number; readonly tag: number }
  | { readonly do: "drain"; readonly tag: number; readonly timeoutMs: number }
  | { readonly do: "status"; readonly tag: number }
  /** Enqueue no more by itself. */
  | { readonly do: "rest"; readonly tag: number }
  /** Enqueue until the store refuses. */
  | { readonly do: "fill" }
  | { readonly do: "close" };
export type ClientMessage =
  | { readonly says: "ready" }
  | ({ readonly says: "stored" } & Acknowledged)
  | { readonly says: "lock"; readonly change: string; readonly fence: number }
  | { readonly says: "succeeded"; readonly id: string; readonly replayed: boolean }
  | { readonly says: "problem"; readonly what: string; readonly code: string }
  | { readonly says: "enqueued"; readonly tag: number }
  | { readonly says: "rested"; readonly tag: number }
  | { readonly says: "drained"; readonly tag: number; readonly empty: boolean; readonly reason: string }
  | { readonly says: "status"; readonly tag: number; readonly status: EngineStatus }
  /** The queue could not be opened, or would take no more. */
  | { readonly says: "refused"; readonly name: string; readonly code: string; readonly message: string }
  | { readonly says: "closed" };

const say: (message: ClientMessage) => void = sayLine;

function refused(error: unknown): void {
  const { name, message, code = "" } = error as Error & { readonly code?: string };
  say({ says: "refused", name, code, message });
}

async function obey(sync: SyncEngine, workload: Workload, command: ClientCommand): Promise<void> {
  switch (command.do) {
    case "enqueue": {
      for (let left = command.count; left > 0; left -= 8) await workload.step(Math.min(8, left));
      return say({ says: "enqueued", tag: command.tag });
    }
    case "rest":
      isResting = true;
      await rested;
      return say({ says: "rested", tag: command.tag });
    case "drain": {
      const { empty, reason = "" } = await sync.drain({ timeoutMs: command.timeoutMs });
      return say({ says: "drained", tag: command.tag, empty, reason });
    }
    case "status":
      return say({ says: "status", tag: command.tag, status: await sync.status() });
    case "fill":
      try {
        for (;;) await workload.step();
      } catch (error) {
        return refused(error);
      }
    case "close":
      await sync.close();
      say({ says: "closed" });
      process.exit(0);
  }
}

let isResting = false;
let rested: Promise<void> = Promise.resolve();

async function enqueueAlways(sync: SyncEngine, workload: Workload, maxWaiting: number): Promise<void> {
  while (!isResting) {
    await workload.step();
    const { pending, sealed } = await sync.status();
    await pause(pending + sealed > maxWaiting ? 20 : 0);
  }
}

const config = JSON.parse(process.argv[2] ?? "") as ClientConfig;
const sync = await openQueue(config.file, config.tuning).catch((error: unknown) => {
  refused(error);
  process.exit(1);
});
sync.on("lock", ({ change, fence }) => say({ says: "lock", change, fence }));
sync.on("succeeded", ({ operation, replayed }) => say({ says: "succeeded", id: operation.operationId, replayed }));
for (const type of ["failed", "parked", "conflict"] as const) {
  sync.on(type, ({ operation, code }) => say({ says: "problem", what: `${type} ${operation.type} ${operation.operationId}`, code }));
}
sync.on("paused", ({ reason }) => say({ says: "problem", what: "paused", code: reason }));
const workload = new Workload(sync, {
  seed: config.seed,
  prefix: config.prefix,
  onAcknowledged: (acknowledged) => say({ says: "stored", ...acknowledged }),
});
// A parent that dies leaves no child behind.
createInterface({ input: process.stdin })
  .on("line", (line) => void obey(sync, workload, JSON.parse(line) as ClientCommand))
  .on("close", () => process.exit(0));
say({ says: "ready" });
if (config.maxWaiting > 0) rested = enqueueAlways(sync, workload, config.maxWaiting);
