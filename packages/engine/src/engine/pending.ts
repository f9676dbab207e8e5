import { formatIso } from "@guardian-sync/protocol";
import type { AccountTag, Phase, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { QueuedOperation } from "../queue/records.ts";
import { type DeskContext, nowOf } from "./context.ts";
import { type Page, pageOf } from "./page.ts";

/** An operation that has not been answered. Its payload is the app's own; it is never logged. */
export interface PendingOperation {
  readonly seq: number;
  readonly id: string;
  readonly type: string;
  readonly entityType: string;
  readonly entityId: string;
  /** As it was queued: the document, or the patch; of a declared operation `{ input, patch }`. */
  readonly payload: unknown;
  /** `sealed`: its bytes are fixed, and it may be under way. `blocked`: another one has to end first. */
  readonly state: "pending" | "blocked" | "sealed";
  readonly attempts: number;
  /** Why it waits, where that is its own affair; what holds the whole queue back is in `status()`. */
  readonly waitsFor: "operation" | "backoff" | null;
  /** Of the operation that has to end first. */
  readonly blockedBy: number | null;
  /** Epoch ms, when it has a time of its own. */
  readonly nextAttemptAt: number | null;
  /** What went wrong with the last try. */
  readonly code: string | null;
  readonly lastError: string | null;
  readonly enqueuedAt: string;
}

const WAITING: readonly Phase[] = ["ready", "blocked", "sealed"];
const WAITS: ReadonlySet<QueuedOperation["phase"]> = new Set<QueuedOperation["phase"]>(["pending", ...WAITING]);

/** The operations that wait or are sealed, in the order of the queue. */
export class PendingList {
  readonly #context: Pick<DeskContext, "queue" | "platform">;
  readonly #account: () => AccountTag;

  constructor(context: Pick<DeskContext, "queue" | "platform">, account: () => AccountTag) {
    this.#context = context;
    this.#account = account;
  }

  async list(page: Page = {}): Promise<readonly PendingOperation[]> {
    const { after, limit } = pageOf(page);
    const view = await this.#context.queue.view(this.#account());
    const now = nowOf(this.#context);
    return (await waitingOperations(view, after, limit)).map((operation) => pendingOf(operation, now));
  }
}

/**
 * Those with a row are found by their phase, however much failed before them; the others stand at and beyond the head. What moves
 * between the two reads is met twice, and shown as it was met last.
 */
export async function waitingOperations(view: AccountView, after: Seq | 0, limit: number): Promise<readonly QueuedOperation[]> {
  const found = new Map<Seq, QueuedOperation>();
  for (const operation of await view.inPhase(WAITING, after, limit)) found.set(operation.seq, operation);
  let from = Math.max(view.global.head, after + 1) as Seq;
  while (countBelow(from, found) < limit) {
    const { operations, next } = await view.from(from, limit);
    for (const operation of operations) if (WAITS.has(operation.phase)) found.set(operation.seq, operation);
    if (operations.length < limit) break;
    from = next;
  }
  return [...found.values()].sort((a, b) => a.seq - b.seq).slice(0, limit);
}

function countBelow(seq: Seq, found: ReadonlyMap<Seq, QueuedOperation>): number {
  let count = 0;
  for (const one of found.keys()) if (one < seq) count += 1;
  return count;
}

function pendingOf({ seq, content, phase, row, detail }: QueuedOperation, now: number): PendingOperation {
  const isBlocked = phase === "blocked";
  const nextAttemptAt = row !== null && row.dueAt > now ? row.dueAt : null;
  return {
    seq,
    id: content.id,
    type: content.type,
    entityType: content.entityType,
    entityId: content.entityId,
    payload: content.payload,
    state: phase === "sealed" || phase === "blocked" ? phase : "pending",
    attempts: row?.attempts ?? 0,
    waitsFor: isBlocked ? "operation" : nextAttemptAt === null ? null : "backoff",
    blockedBy: isBlocked ? (row?.blockedBy ?? null) : null,
    nextAttemptAt,
    code: detail.code ?? null,
    lastError: detail.lastError ?? null,
    enqueuedAt: formatIso(content.createdAt),
  };
}
