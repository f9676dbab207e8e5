// Wrote the files beside it, once: `node --conditions=source packages/engine/vectors/format-1/make.ts`. They are what format 1 is;
// a later version must read them as they stand, so they are never made again. Keys, ids and nonces are fixed.
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  accountTag,
  encodeAccountDetail,
  encodeContent,
  encodeReceipts,
  encodeStateDetail,
  entityTag,
  hexOf,
  type OperationContent,
  packSealed,
  packSegment,
  parseHex,
  sealJson,
  sealTagKey,
} from "../../src/format/index.ts";
import type { EntityTag, NewSegment, Seq, StateRow } from "../../src/ports/index.ts";
import { nodeKeyRing } from "../../src/storage/key-ring-node.ts";
import { SqliteConnection } from "../../src/storage/sqlite-connection.ts";
import { openForWriting } from "../../src/storage/sqlite-open.ts";
import { SqliteStore } from "../../src/storage/sqlite-store.ts";

const folder = import.meta.dirname;
const {
  storeId: STORE_ID,
  key: KEY,
  tagKey,
  accounts,
  stateDetail,
  sealed: SEALED,
  receipts,
  lock: LOCK,
} = JSON.parse(readFileSync(join(folder, "contents.json"), "utf8"));
const TAG_KEY = parseHex(tagKey) as Uint8Array;
const NONCE_SEED = 0x40;
let nonces = 0;
const keys = nodeKeyRing({
  current: KEY,
  nonce: () => Uint8Array.from({ length: 12 }, (_, i) => (NONCE_SEED + i + (i === 11 ? nonces++ : 0)) & 0xff),
});

const scratch = mkdtempSync(join(folder, "making-"));
const path = join(scratch, "queue.sqlite3");
const { db } = openForWriting(path, 0, { storeId: STORE_ID, tagKey: await sealTagKey(keys, STORE_ID, TAG_KEY) });
const store = new SqliteStore(new SqliteConnection(db), path, STORE_ID);

const vectors: Record<string, unknown> = { storeId: STORE_ID, key: KEY, keyId: hexOf(keys.currentKeyId), tagKey: hexOf(TAG_KEY) };
const tags: Record<string, string> = {};
for (const { name, identity, detail: accountDetail, operations: own } of accounts) {
  const account = accountTag(TAG_KEY, identity);
  tags[name] = account;
  const tagOf = (index: number): EntityTag => entityTag(TAG_KEY, account, own[index]?.entityType ?? "", own[index]?.entityId ?? "");
  const segments: NewSegment[] = [];
  for (const [from, to] of [
    [0, 1],
    [1, own.length],
  ] as const) {
    const part = (own as OperationContent[]).slice(from, to);
    const ids = part.map(({ id }) => id).sort();
    segments.push(
      await packSegment(
        keys,
        STORE_ID,
        `00000000-0000-4000-8000-00000000000${name === "ann" ? from : from + 4}`,
        account,
        part.map((operation) => encodeContent(operation)),
        { idMin: ids[0] as string, idMax: ids.at(-1) as string },
        part.map((_, i) => tagOf(from + i)),
      ),
    );
  }
  const seqs = await store.append(segments);
  const first = seqs[0] as Seq;
  vectors[`segment_${name}`] = {
    ...segments[1],
    body: hexOf(segments[1]?.body ?? new Uint8Array()),
    lines: (own as OperationContent[]).slice(1).map((operation) => encodeContent(operation)),
  };

  const detail = await sealJson(keys, STORE_ID, { table: "accounts", id: account, field: "detail" }, encodeAccountDetail(accountDetail));
  if (name === "bob") {
    await store.commit({ account, expectRevision: 1, putAccountDetail: detail });
    continue;
  }
  const pack = await packSealed(keys, STORE_ID, "00000000-0000-4000-8000-0000000000aa", SEALED);
  vectors.pack = { packId: pack.packId, texts: SEALED, body: hexOf(pack.body) };
  const sealedDetail = await sealJson(
    keys,
    STORE_ID,
    { table: "states", id: String(first + 1), field: "detail" },
    encodeStateDetail(stateDetail),
  );
  vectors.record = { place: { table: "states", id: String(first + 1), field: "detail" }, value: stateDetail, body: hexOf(sealedDetail) };
  const state = (index: number, more: Partial<StateRow>): StateRow => ({
    seq: (first + index) as Seq,
    account,
    phase: "ready",
    entityTag: tagOf(index),
    blockedBy: 0,
    dueAt: 0,
    attempts: 0,
    backoffMs: 0,
    firstSendAt: 0,
    opNumber: 0,
    packId: null,
    packIndex: 0,
    changedAt: 1_760_000_000_500,
    detail: null,
    ...more,
  });
  await store.commit({
    account,
    expectRevision: 1,
    putAccountDetail: detail,
    putStates: [
      state(1, { phase: "failed", attempts: 5, backoffMs: 30_000.5, detail: sealedDetail }),
      state(2, { phase: "blocked", blockedBy: (first + 1) as Seq }),
      state(3, { phase: "sealed", firstSendAt: 1_760_000_000_250.75, opNumber: 7, packId: pack.packId, packIndex: 1 }),
    ],
    putPacks: [pack],
    settleContent: [{ from: first, to: first }],
    putLanes: [
      { account, lane: "", head: (first + 4) as Seq, dueAt: 1_760_000_009_000, failures: 2, blockedBy: 0 },
      { account, lane: tagOf(1), head: (first + 1) as Seq, dueAt: 0, failures: 0, blockedBy: (first + 1) as Seq },
    ],
    putEntities: [{ account, entityTag: tagOf(0), version: 4, lastSeq: first, chainFrom: 3, body: null }],
    putReceipts: [
      {
        account,
        seqMin: first,
        seqMax: first,
        idMin: own[0]?.id ?? "",
        idMax: own[0]?.id ?? "",
        settledAt: 1_760_000_000_900,
        body: await sealJson(keys, STORE_ID, { table: "receipts", id: `${first}-${first}`, field: "body" }, encodeReceipts(receipts)),
      },
    ],
    putMeta: [{ key: "note", value: Uint8Array.of(1, 2, 3) }],
    count: { pending: -3, succeeded: 1, failed: 1, sealed: 1 },
  });
}
await store.writeLock(null, LOCK);
await store.compact();
await store.close();
renameSync(path, join(folder, "queue.sqlite3"));
if (readdirSync(scratch).length > 0) throw new Error(`${scratch} should be empty after closing`);
rmSync(scratch, { recursive: true });
writeFileSync(join(folder, "vectors.json"), `${JSON.stringify({ ...vectors, tags }, null, 2)}\n`);
