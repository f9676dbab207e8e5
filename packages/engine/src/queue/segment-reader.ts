import { openSegment } from "../format/index.ts";
import type { AccountTag, EntityTag, Hash, KeyRing, QueueStore, SegmentRow, Seq } from "../ports/index.ts";
import { orNull } from "./or-null.ts";

/** A window of 50 walks through a segment of 1000 twenty times: the last few stay open. Content never changes, so neither do they. */
const KEPT_OPEN = 4;

export interface OpenSegment {
  readonly account: AccountTag;
  readonly segmentId: string;
  readonly seqFrom: Seq;
  readonly last: Seq;
  readonly entityTags: readonly EntityTag[];
  /** For operations whose content cannot be read: the smallest id of the segment. */
  readonly idMin: string;
  /** One line of content per operation; null when the bytes do not authenticate. */
  readonly lines: readonly string[] | null;
}

export class SegmentReader {
  readonly store: QueueStore;
  readonly keys: KeyRing;
  readonly hash: Hash;
  #kept: OpenSegment[] = [];

  constructor(store: QueueStore, keys: KeyRing, hash: Hash) {
    this.store = store;
    this.keys = keys;
    this.hash = hash;
  }

  /** The first segment that holds a seq >= `from`, or undefined when there is none. */
  async at(account: AccountTag, from: Seq): Promise<OpenSegment | undefined> {
    const kept = this.#kept.find((open) => open.account === account && open.seqFrom <= from && from <= open.last);
    if (kept !== undefined) return kept;
    const [row] = await this.store.readSegments(account, from, 1);
    return row === undefined ? undefined : this.open(row);
  }

  async open(row: SegmentRow): Promise<OpenSegment> {
    const kept = this.#kept.find((open) => open.segmentId === row.segmentId);
    if (kept !== undefined) return kept;
    const { account, segmentId, seqFrom, count, entityTags, idMin } = row;
    const open: OpenSegment = {
      account,
      segmentId,
      seqFrom,
      last: (seqFrom + count - 1) as Seq,
      entityTags,
      idMin,
      lines: await orNull(() => openSegment(this.keys, this.store.storeId, row)),
    };
    if (this.#kept.length >= KEPT_OPEN) this.#kept.shift();
    this.#kept.push(open);
    return open;
  }
}
