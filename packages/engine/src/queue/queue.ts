import { SyncError, uuidV4 } from "@guardian-sync/protocol";
import { NO_COUNTS } from "../core/conservation.ts";
import { type AccountDetail, accountTag, entityTag, openJson, parseAccountDetail } from "../format/index.ts";
import type { AccountRow, AccountTag, Clock, EntityTag, Fence, Hash, LaneRow, OpenedStore, Random, Seq } from "../ports/index.ts";
import { AccountView } from "./account-view.ts";
import { ChangeSet } from "./change-set.ts";
import { endMembers } from "./end-members.ts";
import { awaitsEcho } from "./feed-position.ts";
import { GroupCommit } from "./group-commit.ts";
import { decodeOrigin, ORIGIN_KEY, type OriginState } from "./origin-state.ts";
import { SegmentReader } from "./segment-reader.ts";

export interface AccountIdentity {
  readonly space: string;
  readonly principal: string;
}
export interface Lease {
  readonly fence: Fence;
  readonly leaseId: string;
}

/** What an account says of itself at a revision. Only commits change it, and each raises that: it is read again when it has moved. */
interface Standing {
  readonly account: AccountTag;
  readonly revision: number;
  readonly detail: AccountDetail;
  readonly global: LaneRow;
}

/** Two changes that meet retry; this many meetings in a row mean that something is wrong. */
const MAX_MEETINGS = 50;

/** The durable queue: operations in, decisions out, over any store. It knows formats; it decides nothing. */
export class DurableQueue {
  readonly opened: OpenedStore;
  readonly appender: GroupCommit;
  /** Told of each change that this process has put on disk, and of the account's revision since. */
  readonly onChanged: Set<(change: ChangeSet, revision: number) => void> = new Set();
  readonly #reader: SegmentReader;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #hash: Hash;
  /** Of the account that was looked at last: one is signed in, and it is looked at several times a request. */
  #standing: Standing | undefined;
  /** Has its row and its name. Accounts never go. */
  #ensured: AccountTag | undefined;

  constructor(opened: OpenedStore, clock: Clock, random: Random, hash: Hash) {
    this.opened = opened;
    this.#clock = clock;
    this.#random = random;
    this.#hash = hash;
    this.#reader = new SegmentReader(opened.store, opened.keys, hash);
    this.appender = new GroupCommit({ store: opened.store, keys: opened.keys, clock, newUuid: () => this.newUuid() });
  }

  newUuid(): string {
    return this.#random.uuid?.() ?? uuidV4((length) => this.#random.bytes(length));
  }

  accountTag(identity: AccountIdentity): AccountTag {
    return accountTag(this.opened.tagKey, identity);
  }

  entityTag(account: AccountTag, entityType: string, entityId: string): EntityTag {
    return entityTag(this.opened.tagKey, account, entityType, entityId);
  }

  /** Makes sure that the account has a row that names it, and a client id. Durable on return. */
  async ensureAccount(identity: AccountIdentity): Promise<AccountTag> {
    const account = this.accountTag(identity);
    if (this.#ensured === account) return account;
    await this.change(account, undefined, (view, change) => {
      if (view.detail.clientId !== "") return;
      change.putAccountDetail({
        ...view.detail,
        space: identity.space,
        principal: identity.principal,
        clientId: this.newUuid(),
        nextOpNumber: 1,
      });
    });
    this.#ensured = account;
    return account;
  }

  /** Reads the queue as it is now, whatever is written meanwhile; where the platform cannot, as it is from read to read. */
  async frozen<T>(read: (queue: DurableQueue) => Promise<T>): Promise<T> {
    const store = await this.opened.freeze?.();
    if (store === undefined) return read(this);
    try {
      const { keys, tagKey } = this.opened;
      return await read(new DurableQueue({ store, keys, tagKey, fastLock: null, notices: [] }, this.#clock, this.#random, this.#hash));
    } finally {
      await store.close();
    }
  }

  async view(account: AccountTag): Promise<AccountView> {
    const row = await this.opened.store.readAccount(account);
    const { detail, global } = row === undefined ? { detail: NAMELESS, global: emptyLane(account) } : await this.#standingOf(row);
    return new AccountView(row ?? emptyAccount(account), detail, global, this.#reader);
  }

  /** As with every read of a view: the lane may be newer than the row, and then what is decided from both is refused. */
  async #standingOf({ account, revision, detail: sealed }: AccountRow): Promise<Standing> {
    const known = this.#standing;
    if (known?.account === account && known.revision === revision) return known;
    const { store, keys } = this.opened;
    const [global = emptyLane(account)] = await store.readLanes(account, [""]);
    const place = { table: "accounts", id: account, field: "detail" };
    const detail = sealed === null ? NAMELESS : parseAccountDetail(await openJson(keys, store.storeId, place, sealed));
    const standing = { account, revision, detail, global };
    this.#standing = standing;
    return standing;
  }

  /** What was last learned of the origin; whoever it was learned for. */
  async origin(): Promise<OriginState | undefined> {
    return decodeOrigin(await this.opened.store.readMeta(ORIGIN_KEY));
  }

  /** Every account that ever enqueued here, with the names that only the key can read. */
  async accounts(): Promise<readonly AccountView[]> {
    const rows = await this.opened.store.listAccounts();
    return Promise.all(rows.map((row) => this.view(row.account)));
  }

  /**
   * Reads, decides, writes; when somebody else changed the account in between, reads and decides again. `decide` may run
   * several times and must only fill the change set it is given. Resolves with whether anything was written.
   */
  async change(
    account: AccountTag,
    lease: Lease | undefined,
    decide: (view: AccountView, change: ChangeSet) => void | Promise<void>,
  ): Promise<boolean> {
    const { store, keys } = this.opened;
    for (let meeting = 0; meeting < MAX_MEETINGS; meeting++) {
      const view = await this.view(account);
      const change = new ChangeSet(account, this.#clock.now(), view.global.head, awaitsEcho(view.detail));
      await decide(view, change);
      if (change.leaders.length > 0) await endMembers(view, change);
      if (change.isEmpty) return false;
      const result = await store.commit(await change.build(store.storeId, keys, view.row.revision, lease));
      if (!result.ok) continue;
      // It was not refused, so nothing came in between: this is what stands there now.
      const { accountDetail: detail = view.detail, globalLane: global = view.global } = change;
      this.#standing = { account, revision: result.revision, detail, global };
      for (const tell of this.onChanged) tell(change, result.revision);
      return true;
    }
    throw new SyncError(
      "STORAGE_UNAVAILABLE",
      `The queue was changed by others ${MAX_MEETINGS} times in a row while one change waited. Nothing was lost; try again.`,
      {
        retryable: true,
      },
    );
  }
}

const NAMELESS: AccountDetail = { space: "", principal: "", clientId: "", nextOpNumber: 1 };

function emptyAccount(account: AccountTag): AccountRow {
  return { account, revision: 0, counts: NO_COUNTS, detail: null };
}

function emptyLane(account: AccountTag): LaneRow {
  return { account, lane: "", head: 1 as Seq, dueAt: 0, failures: 0, blockedBy: 0 };
}
