import { SyncError, utf8SizeBytes } from "@guardian-sync/protocol";
import { type BatchLimits, fitsOneRequest, tightest } from "../core/batch-limits.ts";
import type { Capabilities } from "../core/handshake.ts";
import { chooseFace } from "../core/face.ts";
import type { Prepared } from "./intake.ts";
import type { Operation, Settled } from "./operation.ts";
import type { Settings } from "./options.ts";

/** Several operations that take effect together or not at all. */
export interface OperationGroup {
  readonly id: string;
  readonly operations: readonly Operation[];
  /** Resolves when all are on disk; rejects when they could not be, and then nothing was queued. */
  readonly stored: Promise<void>;
  /** One verdict for the whole: the first that is no success, with its reason, or `applied` when all were. Never rejects. */
  readonly settled: Promise<Settled>;
}

/** Keys, ids, times and names around a payload in a request. */
const AROUND_BYTES = 700;

/** The members as they are queued, or why they cannot be: nothing is queued then. `known`: of the backend, if it was ever met. */
export function asGroup(
  settings: Settings,
  groupId: string,
  members: readonly Prepared[],
  known: Capabilities | undefined,
): readonly Prepared[] {
  const size = members.length;
  if (size === 0) throw new SyncError("INVALID_OPERATION", "A group needs at least one member. Nothing was queued.");
  checkBackend(settings, members, known);
  const limits = known === undefined ? settings.batch : tightest(settings.batch, known);
  checkSize(members, limits);
  // The first member whose time is up ends all of them.
  const expiresAt = members.reduce<number>((least, { content }) => Math.min(least, content.expiresAt ?? least), Number.POSITIVE_INFINITY);
  return members.map((member, index) => ({
    ...member,
    content: {
      ...member.content,
      groupId,
      groupPlace: { index, size },
      ...(expiresAt === Number.POSITIVE_INFINITY ? {} : { expiresAt: expiresAt as typeof member.content.createdAt }),
    },
  }));
}

function checkBackend(settings: Settings, members: readonly Prepared[], known: Capabilities | undefined): void {
  if (known === undefined && settings.backend.minimumLevel === 4) return;
  if (known === undefined || known.level < 4) {
    const why =
      known === undefined ? "the backend has not been met yet, so nobody knows whether it can" : `the backend offers level ${known.level}`;
    throw new SyncError(
      "GROUP_UNSUPPORTED",
      `A group needs a backend of level 4, and ${why}. Set backend.minimumLevel: 4 if it always is. Nothing was queued.`,
    );
  }
  for (const { content } of members) {
    if (chooseFace({ ...content, capabilities: known, hasRequest: false }) === "sync") continue;
    throw new SyncError(
      "GROUP_UNSUPPORTED",
      `The backend does not take "${content.type}" of ${content.entityType} by name, so a group with it could not be applied whole. Nothing was queued.`,
    );
  }
}

function checkSize(members: readonly Prepared[], limits: BatchLimits): void {
  const bytes = members.reduce((sum, { content, payloadText }) => {
    const { entityType, entityId } = content;
    return sum + AROUND_BYTES + utf8SizeBytes(payloadText) + utf8SizeBytes(entityType) + utf8SizeBytes(entityId);
  }, 0);
  if (fitsOneRequest({ count: members.length, bytes }, limits)) return;
  throw new SyncError(
    "GROUP_TOO_LARGE",
    `A group goes in one request, which holds at most ${limits.maxOperations} operations and ${limits.maxBytes} bytes; this one has ${members.length} and about ${bytes}. Nothing was queued; make it smaller.`,
  );
}

/** The first that is no success, rather the one that made the others fail. */
export async function settledAsOne(operations: readonly Operation[]): Promise<Settled> {
  const verdicts = operations.map(({ settled }) => settled);
  const first = await new Promise<Settled | undefined>((resolve) => {
    for (const verdict of verdicts) void verdict.then((settled) => (settled.verdict === "applied" ? undefined : resolve(settled)));
    void Promise.all(verdicts).then((all) => resolve(all.find(({ verdict }) => verdict !== "applied")));
  });
  if (first === undefined) return (await verdicts.at(-1)) as Settled;
  if (first.code !== "DEPENDENCY_FAILED") return first;
  return (await Promise.all(verdicts)).find(({ verdict, code }) => verdict !== "applied" && code !== "DEPENDENCY_FAILED") ?? first;
}
