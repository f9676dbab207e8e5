import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { DatabaseSync } from "node:sqlite";
import { SyncError } from "@guardian-sync/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hexOf, openJson, openSegment, sealJson } from "../format/index.ts";
import type { OpenedStore } from "../ports/index.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { ann, at, change, codeOf, ContractWorld, dump, lockRow, STOPPED_CLOCK, state, tagOf } from "../testing/store-contract-world.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { openForWriting } from "./sqlite-open.ts";
import { type SqliteEncryption, sqliteStore } from "./sqlite.ts";
import { SqliteStore } from "./sqlite-store.ts";

const KEY = "0123456789abcdef".repeat(4);
const OTHER_KEY = "fedcba9876543210".repeat(4);
const random = new SeededRandom("faults");

let folder: string;
let path: string;
let open: OpenedStore[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guardian-faults-"));
  path = join(folder, "queue.db");
  open = [];
});
afterEach(async () => {
  for (const { store } of open) await store.close();
  rmSync(folder, { recursive: true });
});

async function opened(encryption?: SqliteEncryption, at: string = path, busyTimeoutMs = 200): Promise<OpenedStore> {
  const store = await sqliteStore({ path: at, busyTimeoutMs, ...(encryption === undefined ? {} : { encryption }) }).open({
    clock: STOPPED_CLOCK,
    random,
  });
  open.push(store);
  return store;
}
async function fill(store: OpenedStore, segments = 3, count = 5): Promise<void> {
  const world = new ContractWorld({ open: () => Promise.resolve(store) }, "fill");
  for (let i = 0; i < segments; i++) await store.store.append([await world.segment(store, ann(store), count)]);
}
const bytesOf = (...names: readonly string[]): string[] => names.map((name) => hexOf(readFileSync(join(folder, name))));

/** Copies a file that is open, with its -wal: what a crash leaves behind. */
function crashCopy(name: string): string {
  const copy = join(folder, name);
  for (const end of ["", "-wal"]) copyFileSync(`${path}${end}`, `${copy}${end}`);
  return copy;
}

describe("opening a queue file", () => {
  it("Q3 a wrong key is refused, and not a byte of the file changes, also after a crash", async () => {
    const first = await opened({ key: KEY });
    await fill(first);
    const crashed = crashCopy("crashed.db");
    const before = await dump(first.store, [ann(first)]);
    await first.store.close();
    for (const file of ["queue.db", "crashed.db"]) {
      const names = file === "crashed.db" ? [file, `${file}-wal`] : [file];
      const bytes = bytesOf(...names);
      for (const encryption of [{ key: OTHER_KEY }, "none", { provider: { keys: () => ({ current: OTHER_KEY }) } }] as const) {
        expect(await codeOf(opened(encryption, join(folder, file)))).toBe("WRONG_KEY");
        expect(bytesOf(...names)).toEqual(bytes);
      }
    }
    for (const file of [path, crashed]) {
      const again = await opened({ key: KEY }, file);
      expect(await dump(again.store, [ann(again)])).toEqual(before);
    }
  });

  it("Q3 an unencrypted file is not opened with a key, nor with a new key file", async () => {
    const plain = await opened("none");
    expect(plain.notices.map(({ code }) => code)).toEqual(["UNENCRYPTED"]);
    await plain.store.close();
    const bytes = bytesOf("queue.db");
    expect(await codeOf(opened({ key: KEY }))).toBe("WRONG_KEY");
    expect(await codeOf(opened())).toBe("WRONG_KEY");
    expect(bytesOf("queue.db")).toEqual(bytes);
    expect(existsSync(`${path}.key`)).toBe(false);
  });

  it("Q3 without a key a key file is made, readable by its owner only, with one notice; it is needed from then on", async () => {
    const first = await opened();
    expect(first.notices.map(({ code }) => code)).toEqual(["KEY_FILE_CREATED"]);
    expect(statSync(`${path}.key`).mode & 0o777).toBe(0o600);
    await fill(first);
    const before = await dump(first.store, [ann(first)]);
    await first.store.close();
    const second = await opened();
    expect(second.notices).toEqual([]);
    expect(await dump(second.store, [ann(second)])).toEqual(before);
    await second.store.close();

    const key = readFileSync(`${path}.key`, "utf8");
    const bytes = bytesOf("queue.db");
    rmSync(`${path}.key`);
    expect(await codeOf(opened())).toBe("WRONG_KEY");
    expect(existsSync(`${path}.key`)).toBe(false);
    writeFileSync(`${path}.key`, "no key at all");
    expect(await codeOf(opened())).toBe("WRONG_KEY");
    expect(bytesOf("queue.db")).toEqual(bytes);
    expect(readFileSync(`${path}.key`, "utf8")).toBe("no key at all");
    const byKey = await opened({ key: key.trim() });
    expect(await dump(byKey.store, [ann(byKey)])).toEqual(before);
    expect(readdirSync(folder).filter((name) => name.includes(".key."))).toEqual([]);
  });

  it("Q3 keys before a rotation still read what they wrote; new records have the new key", async () => {
    const old = await opened({ key: KEY });
    await fill(old, 1);
    await old.store.close();
    const keys = { current: OTHER_KEY, previous: [KEY] };
    const now = await opened({ provider: { keys: () => Promise.resolve(keys) } });
    await fill(now, 1);
    const rows = await now.store.readSegments(ann(now), at(1), 9);
    const lines = rows.map((row) => openSegment(now.keys, now.store.storeId, row));
    expect(lines.map((list) => (list as readonly string[]).length)).toEqual([5, 5]);
    const keyIds = rows.map(({ body }) => hexOf(body.subarray(2, 10)));
    expect([hexOf(old.keys.currentKeyId), hexOf(now.keys.currentKeyId)]).toEqual(keyIds);
  });

  it("a file of a newer version is refused and stays as it is, also after a crash", async () => {
    const first = await opened({ key: KEY });
    await fill(first);
    await first.store.close();
    const db = new DatabaseSync(path);
    db.exec("PRAGMA user_version = 99");
    crashCopy("crashed.db");
    db.close();
    for (const names of [["queue.db"], ["crashed.db", "crashed.db-wal"]]) {
      const bytes = bytesOf(...names);
      expect(await codeOf(opened({ key: KEY }, join(folder, names[0] as string)))).toBe("STORE_NEWER");
      expect(await codeOf(opened(undefined, join(folder, names[0] as string)))).toBe("STORE_NEWER");
      expect(bytesOf(...names)).toEqual(bytes);
    }
    expect(existsSync(`${path}.key`)).toBe(false);
  });

  it("a database of another program, or a file that is none, is refused and stays as it is", async () => {
    const other = join(folder, "other.db");
    const db = new DatabaseSync(other);
    db.exec("CREATE TABLE theirs (x)");
    db.close();
    writeFileSync(join(folder, "text.db"), "something else\n".repeat(500));
    const bytes = bytesOf("other.db", "text.db");
    for (const name of ["other.db", "text.db"]) expect(await codeOf(opened({ key: KEY }, join(folder, name)))).toBe("STORAGE_CORRUPT");
    expect(bytesOf("other.db", "text.db")).toEqual(bytes);
  });

  it("a folder that does not exist is named, not made", async () => {
    const missing = join(folder, "missing", "queue.db");
    await expect(opened(undefined, missing)).rejects.toMatchObject({
      code: "STORAGE_UNAVAILABLE",
      message: expect.stringContaining(join(folder, "missing")),
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it("options that make no sense are refused when the store is named", () => {
    expect(() => sqliteStore({ path: "" })).toThrow(TypeError);
    expect(() => sqliteStore({ path: ":memory:" })).toThrow(TypeError);
    expect(() => sqliteStore({ path, busyTimeoutMs: -1 })).toThrow(TypeError);
    expect(() => sqliteStore({ path, encryption: { key: "short" } })).toThrow(TypeError);
    expect(() => sqliteStore({ path, encryption: "yes" as "none" })).toThrow(TypeError);
    expect(() => sqliteStore({ path, encryption: { key: "secret".repeat(9) } })).not.toThrow(/secret/);
  });
});

/** A store whose connection the test can reach, to take something away from it. */
function withConnection(): { readonly store: SqliteStore; readonly db: DatabaseSync } {
  const { db, identity } = openForWriting(path, 200, { storeId: "none", tagKey: new Uint8Array() });
  return { store: new SqliteStore(new SqliteConnection(db), path, identity.storeId), db };
}

describe("a disk that fails", () => {
  it("Q1 a full disk refuses the call, changes nothing, and takes the next call when there is room", async () => {
    const first = await opened({ key: KEY });
    await fill(first);
    const { store, db } = withConnection();
    const world = new ContractWorld({ open: () => Promise.resolve(first) }, "full");
    const before = await dump(store, [ann(first)]);
    const pages = Number(db.prepare("PRAGMA page_count").get()?.page_count);
    db.exec(`PRAGMA max_page_count = ${pages}`);
    const large = await world.segment(first, ann(first), 500);
    await expect(store.append([large])).rejects.toMatchObject({ code: "STORAGE_FULL", retryable: true, details: { sqlite: 13 } });
    const body = new Uint8Array(200_000);
    expect(await codeOf(change(store, ann(first), { putPacks: [{ packId: "p", live: 1, body }], count: { pending: -1, sealed: 1 } }))).toBe(
      "STORAGE_FULL",
    );
    expect(await dump(store, [ann(first)])).toEqual(before);
    db.exec("PRAGMA max_page_count = 1000000");
    expect(await store.append([large])).toEqual([16]);
    await store.close();
  });

  it.skipIf(process.platform !== "linux" || process.getuid?.() !== 0)(
    "Q1 a small file system that fills up loses nothing acknowledged",
    async () => {
      const mount = join(folder, "small");
      mkdirSync(mount);
      if (spawnSync("sh", ["-c", `mount -t tmpfs -o size=1m none ${mount}`]).status !== 0) return;
      try {
        const small = await opened({ key: KEY }, join(mount, "queue.db"));
        const world = new ContractWorld({ open: () => Promise.resolve(small) }, "small");
        const account = ann(small);
        let acknowledged = 0;
        let code = "none";
        while (code === "none" && acknowledged < 10_000) {
          const segment = await world.segment(small, account, 20);
          code = await codeOf(small.store.append([segment]));
          if (code === "none") acknowledged += 20;
        }
        expect(code).toBe("STORAGE_FULL");
        expect(acknowledged).toBeGreaterThan(500);
        expect((await small.store.readAccount(account))?.counts.enqueued).toBe(acknowledged);
        await small.store.close();
        // What was written can be moved to where there is room, and goes on there.
        for (const name of readdirSync(mount)) copyFileSync(join(mount, name), join(folder, name));
        const moved = await opened({ key: KEY });
        expect((await moved.store.readAccount(ann(moved)))?.counts.pending).toBe(acknowledged);
        expect(await moved.store.append([await world.segment(moved, ann(moved), 1)])).toEqual([acknowledged + 1]);
      } finally {
        for (const { store } of open) await store.close();
        spawnSync("sh", ["-c", `umount ${mount}`]);
      }
    },
  );

  it.skipIf(process.platform === "win32")(
    "a folder that may not be written is said to be so, for a new file and for an old one",
    async () => {
      const first = await opened({ key: KEY });
      await fill(first);
      await first.store.close();
      // Root may write everywhere, so for root somebody else tries.
      const isRoot = process.getuid?.() === 0;
      for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o444);
      chmodSync(folder, 0o555);
      const source = (file: string): string => pathToFileURL(join(import.meta.dirname, file)).href;
      const program = `
      import { sqliteStore } from "${source("sqlite.ts")}";
      const world = { clock: {}, random: { fraction: () => 0, bytes: (length) => new Uint8Array(length) } };
      for (const path of [${JSON.stringify(path)}, ${JSON.stringify(join(folder, "new.db"))}]) {
        for (const encryption of [{ key: "${KEY}" }, undefined]) {
          await sqliteStore({ path, encryption }).open(world).then(() => console.log("opened"), (error) => console.log(error.code));
        }
      }`;
      const args = ["--conditions=source", "--input-type=module-typescript", "--eval", program];
      const child = spawnSync(process.execPath, args, { encoding: "utf8", ...(isRoot ? { uid: 65534, gid: 65534 } : {}) });
      chmodSync(folder, 0o755);
      expect(child.stderr).toBe("");
      expect(child.stdout.trim().split("\n")).toEqual(Array(4).fill("STORAGE_READ_ONLY"));
      expect(readdirSync(folder)).not.toContain("new.db");
    },
  );

  it("a connection that may not write says so, and still reads", async () => {
    const first = await opened({ key: KEY });
    await fill(first);
    const reader = new SqliteStore(new SqliteConnection(new DatabaseSync(path, { readOnly: true })), path, first.store.storeId);
    const world = new ContractWorld({ open: () => Promise.resolve(first) }, "reader");
    const segment = await world.segment(first, ann(first));
    await expect(reader.append([segment])).rejects.toMatchObject({ code: "STORAGE_READ_ONLY", retryable: false });
    expect(await dump(reader, [ann(first)])).toEqual(await dump(first.store, [ann(first)]));
    await reader.close();
  });

  it("another process that holds the file too long is waited for, then told about; the call can be repeated", async () => {
    const first = await opened({ key: KEY });
    await fill(first);
    const holder = new DatabaseSync(path);
    holder.exec("BEGIN IMMEDIATE");
    const world = new ContractWorld({ open: () => Promise.resolve(first) }, "busy");
    const segment = await world.segment(first, ann(first));
    await expect(first.store.append([segment])).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", retryable: true });
    holder.exec("ROLLBACK");
    holder.close();
    expect(await first.store.append([segment])).toEqual([16]);
  });

  it("Q1 a flipped bit makes one segment unreadable, and only that one", async () => {
    const first = await opened({ key: KEY });
    await fill(first, 5, 4);
    const rows = await first.store.readSegments(ann(first), at(1), 9);
    await first.store.close();
    const file = readFileSync(path);
    const piece = rows[2]?.body.subarray(30, 130) as Uint8Array;
    let flipped = 0;
    // Pages that were split keep old copies; the flip must meet the one that counts.
    for (let where = file.indexOf(piece); where >= 0; where = file.indexOf(piece, where)) {
      file[where] = (file[where] as number) ^ 0x10;
      flipped += 1;
    }
    expect(flipped).toBeGreaterThan(0);
    writeFileSync(path, file);

    const again = await opened({ key: KEY });
    const read = await again.store.readSegments(ann(again), at(1), 9);
    const codes = await Promise.all(
      read.map((row) => codeOf(Promise.resolve().then(() => openSegment(again.keys, again.store.storeId, row)))),
    );
    expect(codes).toEqual(["none", "none", "UNREADABLE", "none", "none"]);
  });

  it("Q1 whatever bit of the file flips: it is harmless, or something says so", async () => {
    const first = await opened({ key: KEY });
    await fill(first, 20, 6);
    const account = ann(first);
    const detail = sealJson(first.keys, first.store.storeId, { table: "states", id: "1", field: "detail" }, { code: "X" }) as Uint8Array;
    await change(first.store, account, {
      putStates: [1, 2, 3].map((seq) => state(first, account, seq, { phase: "failed", detail })),
      count: { pending: -3, failed: 3 },
    });
    const before = JSON.stringify(await dump(first.store, [account]));
    await first.store.close();
    const bytes = readFileSync(path);
    const silent: number[] = [];
    for (let i = 0; i < 150; i++) {
      const bit = random.integer(0, bytes.length * 8 - 1);
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      const copy = join(folder, `flipped-${i}.db`);
      writeFileSync(copy, flipped);
      if (await isSilent(copy, before)) silent.push(bit);
      for (const end of ["", "-wal", "-shm"]) rmSync(`${copy}${end}`, { force: true });
    }
    expect(silent).toEqual([]);
  });

  /** Reads everything. Errors are those of the closed list, or this throws. */
  async function isSilent(file: string, before: string): Promise<boolean> {
    try {
      const store = await opened({ key: KEY }, file);
      open.pop();
      try {
        const after = JSON.stringify(await dump(store.store, [ann(store)]));
        for (const row of await store.store.readSegments(ann(store), at(1), 100)) await openSegment(store.keys, store.store.storeId, row);
        return after !== before && (await store.store.checkIntegrity()).ok && !(await hasUnreadable(store));
      } finally {
        await store.store.close();
      }
    } catch (error) {
      expect(error).toBeInstanceOf(SyncError);
      return false;
    }
  }
  async function hasUnreadable({ store, keys, tagKey }: OpenedStore): Promise<boolean> {
    const account = ann({ store, keys, tagKey } as OpenedStore);
    for (const row of await store.readStates({ account, limit: 100 })) {
      const place = { table: "states", id: "1", field: "detail" };
      if (
        row.detail !== null &&
        (await codeOf(Promise.resolve().then(() => openJson(keys, store.storeId, place, row.detail as Uint8Array)))) !== "none"
      )
        return true;
    }
    return false;
  }

  it("Q1 bytes that were moved to another row do not open there", async () => {
    const first = await opened({ key: KEY });
    await fill(first, 2, 4);
    const [one, two] = await first.store.readSegments(ann(first), at(1), 9);
    if (one === undefined || two === undefined) throw new Error("two segments were written");
    const moved = async (row: typeof one): Promise<string> =>
      codeOf(Promise.resolve().then(() => openSegment(first.keys, first.store.storeId, row)));
    expect(await moved({ ...one, body: two.body })).toBe("UNREADABLE");
    expect(await moved({ ...one, count: 3 })).toBe("UNREADABLE");
    expect(await moved({ ...one, entityTags: two.entityTags.toReversed() })).toBe("UNREADABLE");
    expect(await moved({ ...one, idMin: two.idMin })).toBe("UNREADABLE");
    expect(await moved({ ...one, account: "0000000000000000" as typeof one.account })).toBe("UNREADABLE");
    expect(await moved(one)).toBe("none");
  });

  it("a damaged page is reported, and reading it is STORAGE_CORRUPT", async () => {
    const first = await opened({ key: KEY });
    await fill(first, 20, 40);
    await first.store.close();
    const db = new DatabaseSync(path, { readOnly: true });
    const root = Number(db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'segments'").get()?.rootpage);
    db.close();
    const file = readFileSync(path);
    file.fill(0xa5, (root - 1) * 4096, root * 4096);
    writeFileSync(path, file);
    const again = await opened({ key: KEY });
    const report = await again.store.checkIntegrity();
    expect(report.ok).toBe(false);
    expect(report.problems.length).toBeGreaterThan(0);
    expect(await codeOf(again.store.readSegments(ann(again), at(1), 100))).toBe("STORAGE_CORRUPT");
  });

  it("a file that lost a table is STORAGE_CORRUPT", async () => {
    const first = await opened({ key: KEY });
    await fill(first);
    const db = new DatabaseSync(path);
    db.exec("DROP TABLE lanes");
    db.close();
    expect(await codeOf(first.store.readLanes(ann(first)))).toBe("STORAGE_CORRUPT");
  });

  it("after a relaxed heartbeat every commit is synced again", async () => {
    await opened({ key: KEY });
    const { store, db } = withConnection();
    const synchronous = (): unknown => db.prepare("PRAGMA synchronous").get()?.synchronous;
    expect(synchronous()).toBe(2);
    await store.writeLock(null, lockRow());
    await store.writeLock({ fence: lockRow().fence, beats: 0 }, lockRow({ beats: 1 }), true);
    expect(synchronous()).toBe(2);
    await store.close();
  });
});

describe("what lies on the disk", () => {
  const CANARY = "CANARY-4f1d";

  /** Puts the canary everywhere that a user's words can go. */
  async function writeCanaries(store: OpenedStore): Promise<void> {
    const world = new ContractWorld({ open: () => Promise.resolve(store) }, "canary");
    const account = ann(store);
    const { keys } = store;
    const { storeId } = store.store;
    const { encodeContent, packSealed, packSegment, accountTag, encodeReceipts } = await import("../format/index.ts");
    const person = accountTag(store.tagKey, { space: CANARY, principal: CANARY });
    expect(person).not.toContain(CANARY);
    for (let i = 0; i < 40; i++) {
      const operation = { ...world.operation(`${CANARY}-entity`), payload: { text: CANARY.repeat(20) } };
      await store.store.append([
        await packSegment(
          keys,
          storeId,
          world.newUuid(),
          account,
          [encodeContent(operation)],
          { idMin: operation.id, idMax: operation.id },
          [tagOf(store, account, operation.entityId)],
        ),
      ]);
    }
    const seal = (table: string, id: string, field: string): Uint8Array =>
      sealJson(keys, storeId, { table, id, field }, { CANARY }) as Uint8Array;
    const receipt = { seq: 2, id: CANARY, key: CANARY, outcome: "applied" as const, settledAt: 1 };
    await change(store.store, account, {
      putAccountDetail: seal("accounts", account, "detail"),
      putStates: [
        state(store, account, 1, { phase: "failed", entityTag: tagOf(store, account, CANARY), detail: seal("states", "1", "detail") }),
      ],
      putPacks: [await packSealed(keys, storeId, world.newUuid(), [CANARY])],
      putReceipts: [
        {
          account,
          seqMin: at(2),
          seqMax: at(2),
          idMin: "01",
          idMax: "01",
          settledAt: 1,
          body: await sealJson(keys, storeId, { table: "receipts", id: "2-2", field: "body" }, encodeReceipts([receipt])),
        },
      ],
    });
    await store.fastLock?.tryAcquire();
  }
  const filesWith = (text: string): string[] => readdirSync(folder).filter((name) => readFileSync(join(folder, name)).includes(text));

  it("Q3 no file holds a word of a user: not the database, the log, the shared memory, the key file, the lock", async () => {
    const store = await opened();
    await writeCanaries(store);
    expect(readdirSync(folder).sort()).toEqual(["queue.db", "queue.db-shm", "queue.db-wal", "queue.db.key", "queue.db.lock"]);
    expect(filesWith(CANARY)).toEqual([]);
    await store.store.compact();
    expect(filesWith(CANARY)).toEqual([]);
    await store.fastLock?.release();
    await store.store.close();
    expect(filesWith(CANARY)).toEqual([]);
  });

  it("Q3 the search for them finds them where nothing is encrypted", async () => {
    await writeCanaries(await opened("none"));
    expect(filesWith(CANARY)).toContain("queue.db-wal");
  });
});
