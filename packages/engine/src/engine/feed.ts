import type { Change, ChangesPage, SnapshotPage } from "@guardian-sync/protocol";
import type { EntityDocument, FeedPosition, StateDetail } from "../format/index.ts";
import type { AccountTag, EntityRow, EntityTag, Seq } from "../ports/index.ts";
import { type AccountView, MAX_SEALED } from "../queue/account-view.ts";
import type { ChangeSet } from "../queue/change-set.ts";
import type { Lease } from "../queue/queue.ts";
import { currentKey, type QueuedOperation } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";

const AT_ONCE = 500;
const NONE: ReadonlySet<string> = new Set();

interface Incoming {
  readonly entityType: string;
  readonly entityId: string;
  readonly version: number;
  /** null: deleted. */
  readonly data: EntityDocument["data"];
  /** By an operation of this client. */
  readonly isOwn: boolean;
}

/** Writes a page of changes, the position behind it, and the end of what it contains, in one transaction. false: somebody was faster. */
export function takeChanges(
  context: Pick<EngineContext, "queue">,
  account: AccountTag,
  lease: Lease | undefined,
  asked: FeedPosition,
  page: ChangesPage,
  askedAt: number,
): Promise<boolean> {
  return context.queue.change(account, lease, async (view, change) => {
    if (!isSame(view.detail.feed, asked)) return;
    const dropped = page.changes.filter(({ op }) => op === "drop");
    for (const { entity_type, entity_id } of dropped) change.dropEntity(context.queue.entityTag(account, entity_type, entity_id));
    const latest = new Map(page.changes.filter(({ op }) => op !== "drop").map((one) => [`${one.entity_type} ${one.entity_id}`, one]));
    const incoming = [...latest.values()].map((one) => incomingOf(one, view.detail.clientId));
    await putAll(context, view, change, incoming, asked.epoch);
    const feed: FeedPosition = { ...asked, cursor: page.cursor, seq: page.to_seq };
    change.putAccountDetail({ ...view.detail, feed });
    // One without a place in the feed: all of the feed was read after it had been acknowledged.
    await retire(view, change, ({ commitSeq }, ackedAt) =>
      commitSeq === undefined ? !page.has_more && ackedAt < askedAt : commitSeq <= page.to_seq,
    );
    await markEchoes(view, change, page);
  });
}

/** Writes a page of the snapshot; with the last one, what no page named is gone. */
export function takeSnapshot(
  context: Pick<EngineContext, "queue">,
  account: AccountTag,
  lease: Lease | undefined,
  asked: FeedPosition,
  page: SnapshotPage,
  contained: ReadonlySet<string> = NONE,
): Promise<boolean> {
  return context.queue.change(account, lease, async (view, change) => {
    if (!isSame(view.detail.feed, asked)) return;
    const incoming = page.items.map(({ entity_type, entity_id, version, data }) => ({
      entityType: entity_type,
      entityId: entity_id,
      version,
      data,
      isOwn: false,
    }));
    await putAll(context, view, change, incoming, asked.epoch);
    await markContained(context, view, change, page, contained);
    // Changes are replayed from the moment of the first page on: later pages may be newer than earlier ones.
    const cursor = asked.loading?.cursor ?? page.cursor;
    const asOf = asked.loading?.cursor === undefined ? (page.as_of ?? 0) : asked.seq;
    await retire(view, change, ({ commitSeq }) => commitSeq !== undefined && page.next_page === undefined && commitSeq <= asOf);
    const { loading: _loading, ...rest } = asked;
    if (page.next_page === undefined) {
      await sweep(view, change, asked.epoch);
      change.putAccountDetail({ ...view.detail, feed: { ...rest, seq: asOf, cursor } });
    } else change.putAccountDetail({ ...view.detail, feed: { ...rest, seq: asOf, loading: { page: page.next_page, cursor } } });
  });
}

function isSame(now: FeedPosition | undefined, asked: FeedPosition): boolean {
  return JSON.stringify(now) === JSON.stringify(asked);
}

function incomingOf({ entity_type, entity_id, version, op, data, origin }: Change, clientId: string): Incoming {
  const isOwn = origin.client_id === clientId;
  return { entityType: entity_type, entityId: entity_id, version, data: op === "put" ? data : null, isOwn };
}

async function putAll(
  { queue }: Pick<EngineContext, "queue">,
  view: AccountView,
  change: ChangeSet,
  incoming: readonly Incoming[],
  epoch: number,
): Promise<void> {
  const { account } = view;
  const tags = incoming.map(({ entityType, entityId }) => queue.entityTag(account, entityType, entityId));
  const [rows, documents] = await Promise.all([view.entities(tags), view.documents(tags)]);
  const rowOf = new Map(rows.map((row) => [row.entityTag, row]));
  incoming.forEach((one, index) => {
    const tag = tags[index] as EntityTag;
    const known = documents.get(tag);
    // Within one snapshot and what follows it, versions only grow: an older page changes nothing.
    if (known !== undefined && known.epoch === epoch && known.version >= one.version) return;
    const { entityType, entityId, version, data } = one;
    change.putEntity(rowWith(account, tag, rowOf.get(tag), one), { entityType, entityId, version, data, epoch });
  });
}

/** Somebody else's version breaks the row of own results: what was written against one of them was not written against this one. */
function rowWith(account: AccountTag, entityTag: EntityTag, known: EntityRow | undefined, { version, isOwn }: Incoming): EntityRow {
  const lastSeq = known?.lastSeq ?? (0 as Seq);
  if (known !== undefined && known.version >= version) return known;
  if (known !== undefined && isOwn && version === known.version + 1) return { ...known, version };
  return { account, entityTag, version, lastSeq, chainFrom: version, body: known?.body ?? null };
}

async function sweep(view: AccountView, change: ChangeSet, epoch: number): Promise<void> {
  let after: EntityTag | "" = "";
  for (;;) {
    const page: Awaited<ReturnType<AccountView["documentsAfter"]>> = await view.documentsAfter(after, AT_ONCE);
    for (const [tag, document] of page.documents) if (document.epoch < epoch && !change.documents.put.has(tag)) change.dropEntity(tag);
    if (page.next === undefined) return;
    after = page.next;
  }
}

/** What the documents contain now is shown by them: the acknowledged operation that brought it ends. */
async function retire(
  view: AccountView,
  change: ChangeSet,
  isPast: (acked: NonNullable<StateDetail["acked"]>, ackedAt: number) => boolean,
): Promise<void> {
  let after: Seq | 0 = 0;
  for (;;) {
    const page: readonly QueuedOperation[] = await view.inPhase(["acked"], after, AT_ONCE);
    for (const operation of page) {
      const { acked = {} } = operation.detail;
      const document = change.documents.put.get(operation.entityTag);
      const isContained = acked.version !== undefined && document !== undefined && document.version >= acked.version;
      if (isContained || isPast(acked, operation.row?.changedAt ?? 0)) change.move(operation, "echo");
    }
    const last = page.at(-1);
    if (last === undefined || page.length < AT_ONCE) return;
    after = last.seq;
  }
}

/** The snapshot was faster than the answer: its documents show what this client was executed up to a number, and these keys. */
async function markContained(
  { queue }: Pick<EngineContext, "queue">,
  view: AccountView,
  change: ChangeSet,
  { own, items }: SnapshotPage,
  contained: ReadonlySet<string>,
): Promise<void> {
  const upTo = own?.client_id === view.detail.clientId ? own.op_number : 0;
  if (upTo === 0 && contained.size === 0) return;
  const shown = new Set(items.map(({ entity_type, entity_id }) => queue.entityTag(view.account, entity_type, entity_id)));
  for (const operation of await view.inPhase(["sealed"], 0, MAX_SEALED)) {
    const opNumber = operation.row?.opNumber ?? 0;
    const isShown = opNumber > 0 ? opNumber <= upTo && shown.has(operation.entityTag) : contained.has(currentKey(operation));
    if (isShown) markEchoed(change, operation);
  }
}

function markEchoed(change: ChangeSet, operation: QueuedOperation): void {
  change.touch(operation, { detail: { ...operation.detail, isEchoed: true } });
}

/** The feed was faster than the answer: the document shows it already, the answer still decides. */
async function markEchoes(view: AccountView, change: ChangeSet, { changes }: ChangesPage): Promise<void> {
  const own = new Set(changes.flatMap(({ origin }) => (origin.client_id === view.detail.clientId ? [origin.operation_id] : [])));
  if (own.size === 0) return;
  for (const operation of await view.inPhase(["sealed"], 0, MAX_SEALED)) {
    if (own.has(operation.content.id)) markEchoed(change, operation);
  }
}
