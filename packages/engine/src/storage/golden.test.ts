import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Json } from "@guardian-sync/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type AccountDetail,
  accountTag,
  decodeReceipts,
  encodeContent,
  entityTag,
  hexOf,
  type OperationContent,
  openJson,
  openSealed,
  openSegment,
  packSealed,
  packSegment,
  parseAccountDetail,
  parseContent,
  parseHex,
  parseStateDetail,
  type Receipt,
  sealJson,
  type StateDetail,
} from "../format/index.ts";
import type { AccountTag, LockRow, OpenedStore, SegmentRow } from "../ports/index.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { at, STOPPED_CLOCK } from "../testing/store-contract-world.ts";
import { nodeKeyRing } from "./key-ring-node.ts";
import { sqliteStore } from "./sqlite.ts";

const FOLDER = join(import.meta.dirname, "../../vectors/format-1");

interface Account {
  readonly name: "ann" | "bob";
  readonly identity: { readonly space: string; readonly principal: string };
  readonly detail: AccountDetail;
  readonly operations: readonly OperationContent[];
}
/** What was put into the file, as plain values. */
interface Contents {
  readonly storeId: string;
  readonly key: string;
  readonly tagKey: string;
  readonly accounts: readonly [Account, Account];
  readonly stateDetail: StateDetail;
  readonly sealed: readonly string[];
  readonly receipts: readonly Receipt[];
  readonly lock: LockRow;
}
interface SegmentVector extends Omit<SegmentRow, "body" | "seqFrom" | "live"> {
  readonly body: string;
  readonly lines: readonly string[];
}
interface Vectors {
  readonly storeId: string;
  readonly key: string;
  readonly keyId: string;
  readonly tagKey: string;
  readonly segment_ann: SegmentVector;
  readonly segment_bob: SegmentVector;
  readonly pack: { readonly packId: string; readonly texts: readonly string[]; readonly body: string };
  readonly record: {
    readonly place: { readonly table: string; readonly id: string; readonly field: string };
    readonly value: Json;
    readonly body: string;
  };
  readonly tags: { readonly ann: string; readonly bob: string };
}
const contents = JSON.parse(readFileSync(join(FOLDER, "contents.json"), "utf8")) as Contents;
const vectors = JSON.parse(readFileSync(join(FOLDER, "vectors.json"), "utf8")) as Vectors;
const [ANN, BOB] = contents.accounts;

describe("format 1: the queue file of a released version", () => {
  let folder: string;
  let opened: OpenedStore;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "guardian-golden-"));
    copyFileSync(join(FOLDER, "queue.sqlite3"), join(folder, "queue.db"));
    const adapter = sqliteStore({ path: join(folder, "queue.db"), encryption: { key: contents.key } });
    opened = await adapter.open({ clock: STOPPED_CLOCK, random: new SeededRandom(1) });
  });
  afterAll(async () => {
    await opened.store.close();
    rmSync(folder, { recursive: true });
  });
  const tag = (account: Account): AccountTag => accountTag(opened.tagKey, account.identity);

  it("has its identity and the key of its tags", () => {
    expect(opened.store.storeId).toBe(contents.storeId);
    expect(hexOf(opened.tagKey)).toBe(contents.tagKey);
    expect(opened.notices).toEqual([]);
  });

  it("Q1 gives every operation back, field by field", async () => {
    for (const account of contents.accounts) {
      const written = account.operations;
      const read = [];
      const tags = [];
      for (const row of await opened.store.readSegments(tag(account), at(1), 100)) {
        for (const line of await openSegment(opened.keys, opened.store.storeId, row)) read.push(parseContent(line));
        tags.push(...row.entityTags);
      }
      // Ann's first operation had settled.
      const expected = account.name === "ann" ? written.slice(1) : written;
      expect(read).toEqual(expected);
      expect(tags).toEqual(expected.map(({ entityType, entityId }) => entityTag(opened.tagKey, tag(account), entityType, entityId)));
      const last = written.at(-1)?.id ?? "";
      expect((await opened.store.findSegments(tag(account), last)).length).toBe(1);
    }
  });

  it("Q4 gives state, counts, schedule and receipts back", async () => {
    const { store, keys } = opened;
    const account = tag(ANN);
    const row = await store.readAccount(account);
    expect([row?.revision, row?.counts]).toMatchObject([2, { enqueued: 5, pending: 2, succeeded: 1, failed: 1, sealed: 1, cancelled: 0 }]);
    const detail = await openJson(keys, store.storeId, { table: "accounts", id: account, field: "detail" }, row?.detail as Uint8Array);
    expect(parseAccountDetail(detail)).toEqual(ANN.detail);
    const bob = await store.readAccount(tag(BOB));
    const bobs = await openJson(keys, store.storeId, { table: "accounts", id: tag(BOB), field: "detail" }, bob?.detail as Uint8Array);
    expect(parseAccountDetail(bobs)).toEqual(BOB.detail);

    const states = await store.readStates({ account, limit: 10 });
    expect(
      states.map(({ seq, phase, blockedBy, attempts, backoffMs, opNumber, firstSendAt }) => [
        seq,
        phase,
        blockedBy,
        attempts,
        backoffMs,
        opNumber,
        firstSendAt,
      ]),
    ).toEqual([
      [2, "failed", 0, 5, 30_000.5, 0, 0],
      [3, "blocked", 2, 0, 0, 0, 0],
      [4, "sealed", 0, 0, 0, 7, 1_760_000_000_250.75],
    ]);
    const stateDetail = await openJson(keys, store.storeId, { table: "states", id: "2", field: "detail" }, states[0]?.detail as Uint8Array);
    expect(parseStateDetail(stateDetail)).toEqual(contents.stateDetail);
    const [pack] = await store.readPacks([states[2]?.packId ?? ""]);
    expect(pack === undefined ? [] : await openSealed(keys, store.storeId, pack)).toEqual(contents.sealed);
    expect(states[2]?.packIndex).toBe(1);

    const lanes = await store.readLanes(account);
    expect(lanes.map(({ lane, head, dueAt, failures, blockedBy }) => [lane, head, dueAt, failures, blockedBy])).toEqual([
      ["", 5, 1_760_000_009_000, 2, 0],
      [states[0]?.entityTag, 2, 0, 0, 2],
    ]);
    const entity = entityTag(opened.tagKey, account, "device", "device-0");
    expect(await store.readEntities(account, [entity])).toEqual([
      { account, entityTag: entity, version: 4, lastSeq: 1, chainFrom: 3, body: null },
    ]);
    const [receipts] = await store.readReceipts(account, { id: ANN.operations[0]?.id ?? "" });
    const place = { table: "receipts", id: "1-1", field: "body" };
    expect(decodeReceipts(await openJson(keys, store.storeId, place, receipts?.body as Uint8Array))).toEqual(contents.receipts);
    expect(await store.readLock()).toEqual(contents.lock);
    expect(await store.readMeta("note")).toEqual(Uint8Array.of(1, 2, 3));
    expect(await store.checkIntegrity()).toEqual({ ok: true, problems: [] });
  });

  it("Q2 goes on where it ended", async () => {
    const { store, keys } = opened;
    const line = encodeContent({ ...(BOB.operations[1] as OperationContent), txnToken: "txn-again" });
    const tags = [entityTag(opened.tagKey, tag(BOB), "device", "device-1")];
    const ids = { idMin: "0199c82d", idMax: "0199c82d" };
    expect(await store.append([await packSegment(keys, store.storeId, "later", tag(BOB), [line], ids, tags)])).toEqual([8]);
  });
});

describe("format 1: bytes", () => {
  const bytes = (hex: string): Uint8Array => parseHex(hex) as Uint8Array;
  /** Encrypts with the nonce that the vector has, so that the whole envelope is determined. */
  const keysAt = (body: string): ReturnType<typeof nodeKeyRing> =>
    nodeKeyRing({ current: vectors.key, nonce: () => bytes(body).slice(10, 22) });

  it("tags are those of the vectors", () => {
    expect(hexOf(nodeKeyRing({ current: vectors.key }).currentKeyId)).toBe(vectors.keyId);
    expect(accountTag(bytes(vectors.tagKey), ANN.identity)).toBe(vectors.tags.ann);
    expect(accountTag(bytes(vectors.tagKey), BOB.identity)).toBe(vectors.tags.bob);
    const account = vectors.segment_ann.account;
    const tags = ANN.operations.slice(1).map(({ entityType, entityId }) => entityTag(bytes(vectors.tagKey), account, entityType, entityId));
    expect(tags).toEqual(vectors.segment_ann.entityTags);
  });

  it("segments encrypt to, and decrypt from, the vectors", async () => {
    for (const vector of [vectors.segment_ann, vectors.segment_bob]) {
      const { segmentId, lines, body, idMin, idMax } = vector;
      const packed = await packSegment(
        keysAt(body),
        vectors.storeId,
        segmentId,
        vector.account,
        lines,
        { idMin, idMax },
        vector.entityTags,
      );
      expect(hexOf(packed.body)).toBe(body);
      const row: SegmentRow = { ...packed, seqFrom: at(1), live: packed.count, body: bytes(body) };
      expect(await openSegment(keysAt(body), vectors.storeId, row)).toEqual(lines);
    }
    const written = ANN.operations.slice(1).map((operation) => encodeContent(operation));
    expect(written).toEqual(vectors.segment_ann.lines);
  });

  it("packs and records encrypt to, and decrypt from, the vectors", async () => {
    const { pack, record } = vectors;
    const packed = await packSealed(keysAt(pack.body), vectors.storeId, pack.packId, pack.texts);
    expect(hexOf(packed.body)).toBe(pack.body);
    expect(await openSealed(keysAt(pack.body), vectors.storeId, { ...packed, body: bytes(pack.body) })).toEqual(pack.texts);
    const sealed = await sealJson(keysAt(record.body), vectors.storeId, record.place, record.value);
    expect(hexOf(sealed)).toBe(record.body);
    expect(await openJson(keysAt(record.body), vectors.storeId, record.place, bytes(record.body))).toEqual(record.value);
  });

  it("the golden file is the one that was checked in", () => {
    expect(readFileSync(join(FOLDER, "queue.sqlite3")).subarray(0, 15).toString()).toBe("SQLite format 3");
  });
});
