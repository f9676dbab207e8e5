/** `guardian-sync/operator`: a queue file in the hands of an operator. Nothing is sent, and apps may have the file open meanwhile. */
import type { DeskContext } from "./engine/context.ts";
import { OperatorQueue } from "./engine/operator-queue.ts";
import { systemClock } from "./platform/node-clock.ts";
import { nodeHash } from "./platform/node-hash.ts";
import { systemRandom } from "./platform/node-random.ts";
import type { Clock, Hash, Random, StoreAdapter } from "./ports/index.ts";
import { DurableQueue } from "./queue/queue.ts";

export interface OpenQueueOptions {
  readonly store: StoreAdapter;
  /** Who works on the queue; written down with what they do. */
  readonly by?: string;
  readonly platform?: { readonly clock?: Clock; readonly random?: Random; readonly hash?: Hash };
}

/**
 * Opens a queue without processing it. A store that does not exist yet is made by its adapter: look first.
 * Rejects with the store's code when it cannot be opened; the file is then untouched.
 */
export async function openQueue({ store, by = "operator", platform = {} }: OpenQueueOptions): Promise<OperatorQueue> {
  const { clock = systemClock(), random = systemRandom(), hash = nodeHash } = platform;
  const opened = await store.open({ clock, random });
  const context: DeskContext = {
    platform: { clock },
    queue: new DurableQueue(opened, clock, random, hash),
    // Nobody listens here: the apps that have the file open notice by themselves.
    events: { emit: () => {} },
    watchers: { tell: () => {} },
  };
  return new OperatorQueue(context, by);
}

export type { FailedList, Selection } from "./engine/failed.ts";
export type { KeptFilter, KeptOperation } from "./engine/kept.ts";
export type { Page } from "./engine/page.ts";
export type { ExportSelection, OperatorQueue, QueueStatus } from "./engine/operator-queue.ts";
export type { AccountIdentity } from "./queue/queue.ts";
export type { OperatorAction } from "./queue/operator-log.ts";
export type { RebuildReport } from "./queue/rebuild.ts";
export { account as conservationAccount } from "./core/conservation.ts";
export type { Counts, IntegrityReport, LockRow } from "./ports/index.ts";
