/** CUT-PROXY: the server commits, then the connection breaks before the answer: several times for every operation. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { memoryStorage } from "@guardian-sync/server/memory";
import { listen } from "@guardian-sync/server/node";
import type { SyncEngine } from "guardian-sync";
import { VirtualClock } from "guardian-sync/testing";
import { nodePlatform } from "guardian-sync/node";
import { Cleanup } from "./cleanup.ts";
import { readFeed } from "./feed.ts";
import { GateProxy, PASS } from "./gate-proxy.ts";
import { homeServer, recordHeartRate } from "./home.ts";
import { type Acknowledged, judgeBooks, judgeFeed } from "./oracle.ts";
import { openQueue, type Tuning } from "./queue-file.ts";
import type { Report } from "./report.ts";
import { Driver } from "./virtual-time.ts";

export interface CutOptions {
  readonly operations: number;
  /** For each operation. */
  readonly cuts: number;
  readonly maxOperations: number;
  /** `virtual`: the options of an app that set none, on a clock that leaps over the waits. */
  readonly clock: "real" | "virtual";
}

const SPACE = "home";
const PRINCIPAL = "ada";
const QUICK: Tuning = {
  backoff: { baseMs: 2, maxDelayMs: 8 },
  breaker: { failureThreshold: 1_000_000 },
  rateLimit: { requestsPerSecond: 100_000, burst: 100_000 },
};
/** Of these one creation, and every third a heart rate: well over half are updates. */
const PER_DEVICE = 20;

export async function cutProxy({ operations, cuts, maxOperations, clock }: CutOptions): Promise<Report> {
  await using cleanup = new Cleanup();
  const virtual = clock === "virtual" ? new VirtualClock({ startMs: Date.now() }) : undefined;
  // The server lives in the same time, or its ledger would be older than its clients.
  const timer = virtual && { clock: { now: () => virtual.now(), schedule: (ms: number, task: () => void) => virtual.schedule(ms, task) } };
  const { url: origin } = cleanup.closing(await listen(homeServer(memoryStorage(), timer)));

  const cutOf = new Map<string, number>();
  let connectionsCut = 0;
  const proxy = cleanup.closing(
    await GateProxy.start(
      () => origin,
      ({ operations: sent }) => {
        if (sent.every(({ key }) => (cutOf.get(key) ?? 0) >= cuts)) return PASS;
        for (const { key } of sent) cutOf.set(key, (cutOf.get(key) ?? 0) + 1);
        connectionsCut += 1;
        return { do: "cut_after" };
      },
    ),
  );

  const file = {
    path: join(cleanup.folder(), "queue.db"),
    keyHex: randomBytes(32).toString("hex"),
    baseUrl: proxy.url,
    space: SPACE,
    principal: PRINCIPAL,
  };
  const tuning: Tuning = virtual === undefined ? { ...QUICK, batch: { maxOperations } } : { batch: { maxOperations } };
  const sync = cleanup.closing(await openQueue(file, { ...tuning, ...(virtual && { platform: { ...nodePlatform(), clock: virtual } }) }));
  const faults: string[] = [];
  for (const type of ["failed", "parked", "conflict"] as const) {
    sync.on(type, ({ operation, code }) => faults.push(`${type} ${operation.type} ${operation.operationId}: ${code}`));
  }

  const startedAt = virtual?.now() ?? Date.now();
  const driver = virtual && new Driver(virtual, () => sync);
  const acknowledged = await enqueueAll(sync, operations);
  const drained = await sync.drain({ timeoutMs: virtual === undefined ? 120_000 : 2 ** 30 });
  const tookMs = (virtual?.now() ?? Date.now()) - startedAt;
  const status = await sync.status();
  await driver?.close();

  if (!drained.empty) faults.push(`not drained: ${drained.reason ?? ""}`);
  const changes = await readFeed(origin, SPACE, PRINCIPAL);
  const judged = judgeFeed(acknowledged, changes);
  const sent = proxy.sentByKey();
  const changed = [...sent].filter(([, { bytes }]) => bytes.size > 1).map(([key]) => key);
  if (changed.length > 0) faults.push(`${changed.length} keys were sent with different bytes: ${changed.slice(0, 3).join(", ")}`);
  if (sent.size !== operations) faults.push(`${sent.size} keys were sent for ${operations} operations`);
  const fewest = Math.min(...cutOf.values());
  if (fewest < cuts) faults.push(`an operation was cut only ${fewest} times`);
  return {
    scenario: `cut-proxy batch ${maxOperations}${virtual === undefined ? "" : ", default options, virtual clock"}`,
    figures: {
      operations,
      updates: changes.filter(({ entity_type, version }) => entity_type === "device" && version > 1).length,
      connections_cut: connectionsCut,
      fewest_cuts_of_an_operation: fewest,
      sends: [...sent.values()].reduce((sum, { times }) => sum + times, 0),
      keys: sent.size,
      keys_with_different_bytes: changed.length,
      effects: judged.figures.effects,
      lost: judged.figures.lost,
      duplicated: judged.figures.duplicated,
      reordered: judged.figures.reordered,
      wrong_versions: judged.figures.wrong_versions,
      took_s: Math.round(tookMs / 100) / 10,
    },
    faults: [...judged.faults, ...judgeBooks(status, changes.length), ...faults],
  };
}

async function enqueueAll(sync: SyncEngine, count: number): Promise<readonly Acknowledged[]> {
  const seqs = new Map<string, number>();
  const off = sync.on("enqueued", ({ operation }) => seqs.set(operation.operationId, operation.seq));
  const numbers = new Map<string, number>();
  const stored: Promise<{ readonly id: string }>[] = [];
  for (let i = 0; i < count; i++) {
    const home = Math.floor(i / PER_DEVICE);
    if (i % PER_DEVICE !== 0 && i % 3 === 0) {
      const operation = sync.run(recordHeartRate, { monitor_id: `m${home}`, bpm: 60 + (i % 60) });
      stored.push(operation.stored.then(() => operation));
      continue;
    }
    const entityId = `d${home}`;
    const n = (numbers.get(entityId) ?? 0) + 1;
    numbers.set(entityId, n);
    const write = n === 1 ? ({ type: "CREATE", payload: { name: "lamp", n } } as const) : ({ type: "UPDATE", payload: { n } } as const);
    stored.push(sync.enqueue({ ...write, entityType: "device", entityId }));
  }
  const operations = await Promise.all(stored);
  off();
  return operations.map(({ id }) => ({ id, seq: seqs.get(id) ?? 0 }));
}
