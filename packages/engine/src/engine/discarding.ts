import type { AccountTag, Phase, Seq } from "../ports/index.ts";
import type { QueuedOperation } from "../queue/records.ts";
import { noteAction } from "../queue/operator-log.ts";
import { cancelOperation, takeBack, tellCancelled } from "./cancel.ts";
import { type EngineContext, nowOf } from "./context.ts";
import type { FailedList } from "./failed.ts";
import { waitingOperations } from "./pending.ts";

const AT_ONCE = 100;
/** An engine's pause ends with the engine: a crash in the middle leaves nothing paused. */
const PAUSE = "discarding";
const REFUSED: readonly Phase[] = ["failed", "quarantined"];

/**
 * Takes back all that an account has in the queue now, because its person said so; what they failed with or could not decide, too; what they archived stays. Resolves
 * with how many certainly take no effect. What may be under way, or was, stays: its cancel marker goes out when they sign in again.
 */
export async function discardAll(context: EngineContext, account: AccountTag, failed: FailedList, reason: string): Promise<number> {
  const { queue } = context;
  await queue.appender.settle();
  const isPausing = await pause(context, account);
  try {
    let discarded = 0;
    for (let after: Seq | 0 = 0; ; ) {
      const page = await waitingOperations(await queue.view(account), after, AT_ONCE);
      discarded += await takeBackAll(context, account, page, reason);
      const last = page.at(-1);
      if (last === undefined) break;
      after = last.seq;
    }
    discarded += await takeBackHolders(context, account, reason);
    discarded += await failed.discard({ all: true, reason }, REFUSED);
    const at = nowOf(context);
    await noteAction(queue, account, { at, action: "discard at sign-out", by: "the app", reason, detail: `${discarded} taken back` });
    return discarded;
  } finally {
    if (isPausing) await lift(context, account);
  }
}

/** One by one: each lets go what it held. One of unknown outcome goes out once more for its marker. */
async function takeBackHolders(context: EngineContext, account: AccountTag, reason: string): Promise<number> {
  let discarded = 0;
  for (let after: Seq | 0 = 0; ; ) {
    const page = await (await context.queue.view(account)).inPhase(["parked", "conflict"], after, AT_ONCE);
    for (const { content } of page) if (await cancelOperation(context, account, content.id, reason)) discarded += 1;
    const last = page.at(-1);
    if (last === undefined) return discarded;
    after = last.seq;
  }
}

async function takeBackAll(context: EngineContext, account: AccountTag, page: readonly QueuedOperation[], reason: string): Promise<number> {
  let cancelled: QueuedOperation[] = [];
  await context.queue.change(account, undefined, async (view, change) => {
    cancelled = [];
    for (const operation of await view.bySeq(page.map(({ seq }) => seq)))
      if (await takeBack(context, view, change, operation, reason)) cancelled.push(operation);
  });
  for (const operation of cancelled) tellCancelled(context, operation);
  return cancelled.length;
}

/** Nothing more of it is sealed meanwhile: an edit does not go out whose CREATE has just been taken back. */
function pause({ queue, platform }: EngineContext, account: AccountTag): Promise<boolean> {
  return queue.change(account, undefined, ({ detail }, change) => {
    if (detail.pause === undefined)
      change.putAccountDetail({ ...detail, pause: { reason: PAUSE, by: "engine", at: platform.clock.now() } });
  });
}

async function lift({ queue }: EngineContext, account: AccountTag): Promise<void> {
  await queue.change(account, undefined, ({ detail: { pause: standing, ...detail } }, change) => {
    if (standing?.reason === PAUSE) change.putAccountDetail(detail);
  });
}
