import { type EpochMs, type IdempotencyKey, type OperationId, type TraceId, uuidV4, uuidV7Maker } from "@guardian-sync/protocol";
import type { Event } from "../core/lifecycle.ts";
import type { OperationContent } from "../format/index.ts";
import type { AccountTag, Counts, Seq, StoreAdapter } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { ChangeSet, RowPatch } from "../queue/change-set.ts";
import { type AccountIdentity, DurableQueue } from "../queue/queue.ts";
import type { QueuedOperation } from "../queue/records.ts";
import { syncHash, type TestWorld } from "./test-world.ts";

const ADA: AccountIdentity = { space: "home", principal: "ada" };

/** The durable queue without an engine: operations in, decisions by hand. */
export class TestQueue {
  readonly world: TestWorld;
  readonly queue: DurableQueue;
  readonly account: AccountTag;
  readonly #newId: (now: EpochMs) => OperationId;

  private constructor(world: TestWorld, queue: DurableQueue, account: AccountTag) {
    this.world = world;
    this.queue = queue;
    this.account = account;
    this.#newId = uuidV7Maker(() => uuidV4((length) => world.random.bytes(length)));
  }

  static async open(world: TestWorld, store: StoreAdapter = world.store, identity: AccountIdentity = ADA): Promise<TestQueue> {
    const opened = await store.open(world);
    const queue = new DurableQueue(opened, world.clock, world.random.fork("queue"), syncHash);
    return new TestQueue(world, queue, await queue.ensureAccount(identity));
  }

  /** The same queue for somebody else. */
  async as(identity: AccountIdentity): Promise<TestQueue> {
    return new TestQueue(this.world, this.queue, await this.queue.ensureAccount(identity));
  }

  content(entityId: string, more: Partial<OperationContent> = {}): OperationContent {
    const id = this.#newId(this.world.clock.now());
    return {
      id,
      type: "UPDATE",
      version: 1,
      entityType: "device",
      entityId,
      payload: { name: entityId },
      key: this.queue.newUuid() as IdempotencyKey,
      traceId: this.queue.newUuid() as TraceId,
      txnToken: `txn-${id}`,
      createdAt: this.world.clock.now(),
      ...more,
    };
  }

  /** Starts to append, as one caller. */
  append(...contents: readonly OperationContent[]): Promise<readonly Seq[]> {
    const entityTags = contents.map(({ entityType, entityId }) => this.queue.entityTag(this.account, entityType, entityId));
    const payloadTexts = contents.map(({ payload }) => JSON.stringify(payload));
    return this.queue.appender.append({ account: this.account, operations: contents, entityTags, payloadTexts });
  }

  /** Appends one operation per entity id, as one caller, in one segment. */
  add(...entityIds: readonly string[]): Promise<readonly Seq[]> {
    return this.world.run(this.append(...entityIds.map((entityId) => this.content(entityId))));
  }

  view(): Promise<AccountView> {
    return this.queue.view(this.account);
  }

  async counts(): Promise<Counts> {
    return (await this.view()).row.counts;
  }

  change(decide: (view: AccountView, change: ChangeSet) => void | Promise<void>): Promise<boolean> {
    return this.queue.change(this.account, undefined, decide);
  }

  async operation(seq: Seq): Promise<QueuedOperation> {
    const [operation] = await (await this.view()).bySeq([seq]);
    if (operation === undefined) throw new Error(`operation ${seq} is not in the queue`);
    return operation;
  }

  /** Moves one operation, in a change of its own. */
  async move(seq: Seq, event: Event, patch: RowPatch = {}): Promise<void> {
    await this.change(async (view, change) => {
      const [operation] = await view.bySeq([seq]);
      if (operation === undefined) throw new Error(`operation ${seq} is not in the queue`);
      change.move(operation, event, patch);
    });
  }

  /** Puts the head of the global lane there: everything before has been looked at. */
  async headTo(head: number): Promise<void> {
    await this.change((view, change) => change.putGlobalLane({ ...view.global, head: head as Seq }));
  }

  /** Holds an entity back. */
  async hold(entityId: string, by: Seq): Promise<void> {
    const lane = this.queue.entityTag(this.account, "device", entityId);
    await this.change((_view, change) => change.putLane({ account: this.account, lane, head: by, dueAt: 0, failures: 0, blockedBy: by }));
  }
}
