import { type EpochMs, SyncError, uuidV4, uuidV7Maker } from "@guardian-sync/protocol";
import { accountTag, encodeContent, entityTag, type OperationContent, openSegment, packSegment } from "../format/index.ts";
import type {
  AccountTag,
  Clock,
  EntityTag,
  LockRow,
  NewSegment,
  OpenedStore,
  QueueStore,
  SegmentRow,
  Seq,
  StateRow,
  StoreCommit,
} from "../ports/index.ts";
import { SeededRandom } from "./seeded-random.ts";

/** What a test runner offers: `{ describe, it, expect }` of vitest, jest and others fit. */
export interface TestApi {
  readonly describe: (name: string, body: () => void) => void;
  readonly it: (title: string, body: () => Promise<void>) => void;
  readonly expect: (actual: unknown) => { toEqual(expected: unknown): void };
}

/** One place that a queue lives at: a file, a named database, a memory disk. */
export interface StorePlace {
  /** Opens what is there. Called again while it is open, it is another process; after `close`, a restart. */
  open(): Promise<OpenedStore>;
  /** Everything is closed by then. */
  destroy?(): Promise<void>;
}
export interface StoreHarness {
  /** For titles: "sqlite". */
  readonly name: string;
  /** A new, empty place. */
  place(): Promise<StorePlace>;
}

/** One promise of every store. */
export interface StoreCase {
  readonly title: string;
  readonly run: (world: ContractWorld, expect: TestApi["expect"]) => Promise<void>;
}

/** A moment that never comes: stores need no time, only its reading. */
export const STOPPED_CLOCK: Clock = {
  now: () => 1_700_000_000_000 as EpochMs,
  monotonic: () => 0 as ReturnType<Clock["monotonic"]>,
  schedule: () => () => undefined,
  defer: (task) => task(),
};

const ANN = { space: "home", principal: "ann" };
const BOB = { space: "home", principal: "bob" };

/** One test's place, with its stores and what it needs to fill them. Everything random in it comes from a seed. */
export class ContractWorld {
  readonly random: SeededRandom;
  readonly #place: StorePlace;
  readonly #newId: ReturnType<typeof uuidV7Maker>;
  #opened: OpenedStore[] = [];
  #now = 1_700_000_000_000;

  constructor(place: StorePlace, seed: number | string = 1) {
    this.#place = place;
    this.random = new SeededRandom(seed);
    this.#newId = uuidV7Maker(() => this.newUuid());
  }

  async open(): Promise<OpenedStore> {
    const opened = await this.#place.open();
    this.#opened.push(opened);
    return opened;
  }
  async closeAll(): Promise<void> {
    for (const { store } of this.#opened) await store.close();
    this.#opened = [];
  }
  async reopen(): Promise<OpenedStore> {
    await this.closeAll();
    return this.open();
  }
  async destroy(): Promise<void> {
    await this.closeAll();
    await this.#place.destroy?.();
  }

  newUuid(): string {
    return uuidV4((length) => this.random.bytes(length));
  }
  newId(): OperationContent["id"] {
    this.#now += 1;
    return this.#newId(this.#now as EpochMs);
  }

  /** Content with a body that only the right key reads. `ids` overrides the range that the segment claims. */
  async segment(
    opened: OpenedStore,
    account: AccountTag,
    count = 1,
    ids?: { readonly idMin: string; readonly idMax: string },
  ): Promise<NewSegment> {
    const operations = Array.from({ length: count }, (_, i) => this.operation(`entity-${i % 3}`));
    const range = ids ?? { idMin: operations[0]?.id as string, idMax: operations.at(-1)?.id as string };
    const tags = operations.map(({ entityType, entityId }) => entityTag(opened.tagKey, account, entityType, entityId));
    return packSegment(
      opened.keys,
      opened.store.storeId,
      this.newUuid(),
      account,
      operations.map((operation) => encodeContent(operation)),
      range,
      tags,
    );
  }

  operation(entityId: string): OperationContent {
    const id = this.newId();
    return {
      id,
      type: "UPDATE",
      version: 1,
      entityType: "device",
      entityId,
      payload: { name: `name ${this.random.integer(0, 999)}` },
      key: this.newUuid() as OperationContent["key"],
      traceId: this.newUuid() as OperationContent["traceId"],
      txnToken: `txn-${id}`,
      createdAt: this.#now as EpochMs,
    };
  }
}

export function ann(opened: OpenedStore): AccountTag {
  return accountTag(opened.tagKey, ANN);
}
export function bob(opened: OpenedStore): AccountTag {
  return accountTag(opened.tagKey, BOB);
}
export function tagOf(opened: OpenedStore, account: AccountTag, entityId: string): EntityTag {
  return entityTag(opened.tagKey, account, "device", entityId);
}
export function at(seq: number): Seq {
  return seq as Seq;
}

export async function linesOf(opened: OpenedStore, row: SegmentRow): Promise<readonly string[]> {
  return openSegment(opened.keys, opened.store.storeId, row);
}

export function state(opened: OpenedStore, account: AccountTag, seq: number, more: Partial<StateRow> = {}): StateRow {
  return {
    seq: at(seq),
    account,
    phase: "ready",
    entityTag: tagOf(opened, account, "entity-0"),
    blockedBy: 0,
    dueAt: 0,
    attempts: 0,
    backoffMs: 0,
    firstSendAt: 0,
    opNumber: 0,
    packId: null,
    packIndex: 0,
    changedAt: 1000,
    detail: null,
    ...more,
  };
}

export function lockRow(more: Partial<LockRow> = {}): LockRow {
  const times = { acquiredAt: 1000, heartbeatAt: 1000, beats: 0 };
  return { owner: "one", fence: 1 as LockRow["fence"], leaseId: "lease-1", ...times, holdsFastLock: false, released: false, ...more };
}

/** Commits at whatever revision the account has. */
export async function change(
  store: QueueStore,
  account: AccountTag,
  parts: Omit<StoreCommit, "account" | "expectRevision">,
): Promise<void> {
  const revision = (await store.readAccount(account))?.revision ?? 0;
  const result = await store.commit({ account, expectRevision: revision, ...parts });
  if (!result.ok) throw new Error(`the revision was ${revision} a moment ago and is ${result.revision} now`);
}

/** Everything that can be read of some accounts: two dumps are equal when nothing happened between them. */
export async function dump(store: QueueStore, accounts: readonly AccountTag[]): Promise<unknown> {
  const parts: unknown[] = [sorted(await store.listAccounts(), (row) => row.account), await store.readLock(), await store.readMeta("note")];
  const packs = new Set<string>();
  for (const account of accounts) {
    const states = await store.readStates({ account, limit: 1_000_000 });
    for (const { packId } of states) if (packId !== null) packs.add(packId);
    parts.push(
      await store.readSegments(account, at(1), 1_000_000),
      states,
      sorted(await store.readLanes(account), (row) => row.lane),
      await store.readReceipts(account, { seqs: { from: at(1), to: at(2 ** 39) } }),
    );
  }
  parts.push(sorted(await store.readPacks([...packs]), (row) => row.packId));
  return parts;
}

function sorted<T>(rows: readonly T[], key: (row: T) => string): T[] {
  return [...rows].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** The code that a promise is rejected with; "none" when it is not, the error's name when it has no code. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "none";
  } catch (error) {
    return error instanceof SyncError ? error.code : (error as Error).name;
  }
}
