/// <reference lib="dom" />
import type { SyncError } from "@guardian-sync/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { cdp } from "vitest/browser";
import type { OpenedStore, QueueStore } from "../ports/index.ts";
import { ann, at, bob, change, codeOf, lockRow, state } from "../testing/store-contract-world.ts";
import { contentsOf, deleteDatabase, newName, open, openRaw, refusal, tamper, worldOf } from "./indexeddb.test.support.ts";
import { indexedDbStore } from "./indexeddb.ts";

const restores: (() => void)[] = [];
function restoreAll(): void {
  for (const restore of restores.splice(0).reverse()) restore();
}
afterEach(restoreAll);

/** Until the test ends, or `restoreAll`. `make` gets what was there. */
function replace<T extends object, K extends keyof T>(owner: T, name: K, make: (before: T[K]) => unknown): void {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { value: make(owner[name]), configurable: true, writable: true });
  restores.push(() => {
    if (before === undefined) Reflect.deleteProperty(owner, name);
    else Object.defineProperty(owner, name, before);
  });
}

/** Every call that touches the database. */
function everyCall(opened: OpenedStore, segment: Parameters<QueueStore["append"]>[0][0]): Promise<unknown>[] {
  const { store } = opened;
  const account = ann(opened);
  return [
    store.append([segment]),
    store.commit({ account, expectRevision: 1 }),
    store.readAccount(account),
    store.listAccounts(),
    store.readSegments(account, at(1), 1),
    store.findSegments(account, "0"),
    store.readStates({ account, limit: 1 }),
    store.readPacks(["p"]),
    store.readLanes(account),
    store.readEntities(account, []),
    store.listEntities(account, "", 1),
    store.readReceipts(account, { id: "0" }),
    store.readMeta("x"),
    store.purgeReceipts(1, 1),
    store.readLock(),
    store.writeLock(null, lockRow()),
    store.dataVersion(),
    store.compact(),
    store.sizeBytes(),
  ];
}

async function allRefused(opened: OpenedStore, says: RegExp): Promise<void> {
  const segment = await worldOf(opened).segment(opened, ann(opened));
  for (const call of everyCall(opened, segment)) {
    const error = await refusal(call);
    expect([error.code, error.message]).toEqual(["STORAGE_UNAVAILABLE", expect.stringMatching(says)]);
    expect(error.userMessage).toMatch(/Reload the page/);
  }
  expect((await opened.store.checkIntegrity()).problems).toEqual([expect.stringMatching(says)]);
}

describe("a write to IndexedDB", () => {
  it("Q1 resolves when its transaction has completed, strictly; only a heartbeat is relaxed", async () => {
    const seen: { readonly durability: string; isComplete: boolean }[] = [];
    replace(IDBDatabase.prototype, "transaction", (begin) => {
      return function (this: IDBDatabase, ...args: Parameters<typeof begin>): IDBTransaction {
        const tx = begin.apply(this, args);
        if (tx.mode === "readwrite") {
          const entry = { durability: tx.durability, isComplete: false };
          seen.push(entry);
          tx.addEventListener("complete", () => {
            entry.isComplete = true;
          });
        }
        return tx;
      };
    });
    const opened = await open(newName());
    const { store } = opened;
    const account = ann(opened);
    const world = worldOf(opened);
    const calls: readonly (() => Promise<unknown>)[] = [
      (): Promise<unknown> => Promise.resolve(),
      async (): Promise<unknown> => store.append([await world.segment(opened, account)]),
      (): Promise<unknown> =>
        change(store, account, { putStates: [state(opened, account, 1)], settleContent: [{ from: at(1), to: at(1) }] }),
      (): Promise<unknown> => store.writeLock(null, lockRow()),
      (): Promise<unknown> => store.purgeReceipts(1, 1),
    ];
    for (const call of calls) {
      await call();
      expect(seen.splice(0)).toEqual([{ durability: "strict", isComplete: true }]);
    }
    await store.writeLock({ fence: lockRow().fence, beats: 0 }, lockRow({ beats: 1 }), true);
    expect(seen.splice(0)).toEqual([{ durability: "relaxed", isComplete: true }]);
    await store.close();
  });

  it("Q4 without space is STORAGE_FULL, and nothing of it is there", async () => {
    const opened = await open(newName());
    const { store } = opened;
    const segment = await worldOf(opened).segment(opened, ann(opened));
    replace(IDBObjectStore.prototype, "add", () => (): never => {
      throw new DOMException("full", "QuotaExceededError");
    });
    expect(await codeOf(store.append([segment]))).toBe("STORAGE_FULL");
    restoreAll();
    expect(await store.listAccounts()).toEqual([]);
    expect(await store.append([segment])).toEqual([1]);
    await store.close();
  });

  it("Q4 that the browser aborts says that nothing was written", async () => {
    const opened = await open(newName());
    const { store } = opened;
    const segment = await worldOf(opened).segment(opened, ann(opened));
    replace(IDBTransaction.prototype, "commit", () => {
      return function (this: IDBTransaction): void {
        this.abort();
      };
    });
    const error = await refusal(store.append([segment]));
    expect([error.code, error.details]).toEqual(["STORAGE_UNAVAILABLE", { indexedDb: "AbortError" }]);
    restoreAll();
    expect(await store.append([segment])).toEqual([1]);
    await store.close();
  });

  it("tells other connections, of this tab and of others, and itself not", async () => {
    const name = newName();
    const [one, two] = [await open(name), await open(name)];
    const told: string[] = [];
    one.watch?.(() => told.push("one"));
    const unwatch = two.watch?.(() => told.push("two"));
    await one.store.append([await worldOf(one).segment(one, ann(one))]);
    await expect.poll(() => told).toEqual(["two"]);
    unwatch?.();
    await one.store.writeLock(null, lockRow());
    await two.store.append([await worldOf(two).segment(two, ann(two))]);
    await expect.poll(() => told).toEqual(["two", "one"]);
    for (const { store } of [one, two]) await store.close();
  });

  it("tells of a burst of writes in few messages, and of its end also when it closes right then", async () => {
    const name = newName();
    const [one, two] = [await open(name), await open(name)];
    const world = worldOf(one);
    const before = await two.store.dataVersion();
    const heard: number[] = [];
    two.watch?.(() => void two.store.dataVersion().then((version) => heard.push(version)));
    for (let i = 0; i < 30; i++) await one.store.append([await world.segment(one, ann(one))]);
    await one.store.close();
    await expect.poll(() => heard.at(-1)).toBe(before + 30);
    expect(heard.length).toBeLessThan(30);
    await two.store.close();
  });
});

describe("a database that goes away under the running app", () => {
  it("Q1 deleted by another tab: every call says so, whoever rests is told, and opening makes a new one", async () => {
    const name = newName();
    const opened = await open(name);
    await opened.store.append([await worldOf(opened).segment(opened, ann(opened))]);
    let told = 0;
    opened.watch?.(() => {
      told += 1;
    });
    // Resolves, so it was not blocked by our connection.
    await deleteDatabase(name);
    expect(told).toBe(1);
    await allRefused(opened, /was deleted under the running app.*Open the store again/s);
    const again = await open(name);
    expect([again.store.storeId === opened.store.storeId, await again.store.listAccounts()]).toEqual([false, []]);
    await again.store.close();
    await opened.store.close();
  });

  it("Q1 calls under way end, one way or the other", async () => {
    const name = newName();
    const opened = await open(name);
    const world = worldOf(opened);
    const segments = await Promise.all(Array.from({ length: 20 }, () => world.segment(opened, ann(opened))));
    const appends = segments.map((segment) => opened.store.append([segment]));
    const deleted = deleteDatabase(name);
    const ends = await Promise.all(appends.map((append) => codeOf(append)));
    await deleted;
    expect(ends.filter((end) => end !== "none" && end !== "STORAGE_UNAVAILABLE")).toEqual([]);
  });

  it("Q1 cleared with the site's data: every call says so", async () => {
    const name = newName();
    const opened = await open(name);
    await opened.store.append([await worldOf(opened).segment(opened, ann(opened))]);
    const told = new Promise<void>((resolve) => opened.watch?.(resolve));
    await cdp().send("Storage.clearDataForOrigin", { origin: location.origin, storageTypes: "indexeddb" });
    await told;
    await allRefused(opened, /was (closed|deleted) under the running app.*Open the store again/s);
  });

  it("Q1 upgraded by a newer version of the app: closed here at once, then refused, and untouched", async () => {
    const name = newName();
    const opened = await open(name);
    await opened.store.append([await worldOf(opened).segment(opened, ann(opened))]);
    const newer = await openRaw(name, 7);
    await allRefused(opened, /newer version of the app.*Nothing is lost/s);
    newer.close();
    const before = await contentsOf(name);
    const error = await refusal(open(name));
    expect([error.code, error.message]).toEqual(["STORE_NEWER", expect.stringContaining("has format 7")]);
    expect(await contentsOf(name)).toEqual(before);
  });
});

describe("opening", () => {
  it("waits for a tab that does not close, not for ever, and says for whom", async () => {
    const name = newName();
    await (await open(name)).store.close();
    const stubborn = await openRaw(name);
    // The next version of the format.
    replace(IDBFactory.prototype, "open", (original) => {
      return function (this: IDBFactory, database: string, version = 1): IDBOpenDBRequest {
        return original.call(this, database, version + 1);
      };
    });
    const error = await refusal(open(name, undefined, 100));
    expect([error.code, error.retryable, error.message]).toEqual(["STORAGE_UNAVAILABLE", true, expect.stringContaining("another tab")]);
    stubborn.close();
    // What was given up upgrades nothing later.
    restoreAll();
    await (await open(name)).store.close();
  });

  it("waits for a deletion that such a tab holds up, not for ever", async () => {
    const name = newName();
    const stubborn = await openRaw(name);
    const deleted = deleteDatabase(name);
    const error = await refusal(open(name, undefined, 100));
    expect([error.code, error.retryable, error.message]).toEqual(["STORAGE_UNAVAILABLE", true, expect.stringContaining("100 ms")]);
    stubborn.close();
    await deleted;
    await (await open(name)).store.close();
  });

  it("refuses a database of another program, and leaves it as it is", async () => {
    const name = newName();
    (await openRaw(name, 1, (db) => db.createObjectStore("theirs").put("value", "key"))).close();
    expect((await refusal(open(name))).code).toBe("STORAGE_CORRUPT");
    expect(await contentsOf(name)).toEqual({ theirs: [["key", "value"]] });
  });

  it("refuses a queue that has lost its identity, and leaves it as it is", async () => {
    const name = newName();
    const opened = await open(name);
    await opened.store.append([await worldOf(opened).segment(opened, ann(opened))]);
    await opened.store.close();
    await tamper(name, ["meta"], (tx) => tx.objectStore("meta").clear());
    const before = await contentsOf(name);
    expect((await refusal(open(name))).code).toBe("STORAGE_CORRUPT");
    expect(await contentsOf(name)).toEqual(before);
  });

  it("without IndexedDB, or where the browser refuses it, says so", async () => {
    const world = { clock: {} as Parameters<ReturnType<typeof indexedDbStore>["open"]>[0]["clock"], random: {} as never };
    const attempt = (): Promise<SyncError> => refusal(indexedDbStore({ name: "x" }).open(world));
    replace(globalThis, "indexedDB", () => undefined);
    const absent = await attempt();
    expect([absent.code, absent.message]).toEqual(["STORAGE_UNAVAILABLE", expect.stringContaining("no IndexedDB")]);
    restoreAll();
    replace(IDBFactory.prototype, "open", () => (): never => {
      throw new DOMException("denied", "SecurityError");
    });
    const refused = await attempt();
    expect([refused.code, refused.message]).toEqual(["STORAGE_UNAVAILABLE", expect.stringContaining("private window")]);
    expect(refused.userMessage).toContain("does not let this site store data");
  });

  it("on an insecure page asks for https, or for no encryption", async () => {
    const name = newName();
    replace(crypto, "subtle", () => undefined);
    const error = await refusal(open(name));
    expect([error.code, error.message]).toEqual(["STORAGE_UNAVAILABLE", expect.stringContaining("https")]);
    await (await open(name, "none")).store.close();
  });
});

describe("a look at everything", () => {
  it("finds records that contradict each other", async () => {
    const name = newName();
    const opened = await open(name);
    const world = worldOf(opened);
    for (let i = 0; i < 3; i++) await opened.store.append([await world.segment(opened, ann(opened), 3)]);
    await change(opened.store, ann(opened), {
      settleContent: [{ from: at(1), to: at(1) }],
      putPacks: [{ packId: "p", live: 1, body: world.random.bytes(4) }],
    });
    expect(await opened.store.checkIntegrity()).toEqual({ ok: true, problems: [] });
    await opened.store.close();
    await tamper(name, ["segments", "packs", "pack_lives"], (tx) => {
      tx.objectStore("segments").delete(3);
      tx.objectStore("pack_lives").delete("p");
      tx.objectStore("pack_lives").put(1, "q");
      const record = { account: ann(opened), seqTo: 7, count: 3, entityTags: "short", idLevel: 0, idPoint: 0, body: new Uint8Array(1) };
      tx.objectStore("segments").put(record);
    });
    const again = await open(name);
    const { ok, problems } = await again.store.checkIntegrity();
    expect([ok, problems.length]).toEqual([false, 6]);
    await again.store.close();
  });
});

describe("the counts of single appends", () => {
  it("Q1 are exact, whoever appends, settles and reads in between", async () => {
    const name = newName();
    const tabs = [await open(name), await open(name)] as const;
    const account = ann(tabs[0]);
    const counted = async (): Promise<unknown> => {
      const rows = await Promise.all(tabs.map(({ store }) => store.readAccount(account)));
      return rows.map((row) => [row?.counts.enqueued, row?.counts.pending, row?.counts.succeeded]);
    };
    let enqueued = 0;
    let settled = 0;
    for (let i = 0; i < 160; i++) {
      const tab = tabs[i % 3 === 0 ? 1 : 0];
      const count = i % 50 === 49 ? 3 : 1;
      expect(await tab.store.append([await worldOf(tab).segment(tab, account, count)])).toEqual([enqueued + 1]);
      enqueued += count;
      if (i % 40 === 20) {
        const gone = enqueued - settled;
        const range = { from: at(settled + 1), to: at(enqueued) };
        await change(tabs[1].store, account, { settleContent: [range], count: { pending: -gone, succeeded: gone } });
        settled = enqueued;
      }
      if (i % 16 === 0) {
        const expected = [enqueued, enqueued - settled, settled];
        expect(await counted()).toEqual([expected, expected]);
      }
    }
    const lives = await tabs[0].store.readSegments(account, at(1), 1000);
    expect(lives.reduce((sum, { live }) => sum + live, 0)).toBe(enqueued - settled);
    for (const { store } of tabs) await store.close();
  });
});

describe("a long read", () => {
  it("Q7 goes on in pieces until it has what was asked for", async () => {
    const opened = await open(newName());
    const { store } = opened;
    const account = ann(opened);
    const rows = Array.from({ length: 900 }, (_, i) => state(opened, account, i + 1, { phase: i % 3 === 0 ? "failed" : "ready" }));
    await change(store, account, { putStates: rows });
    const { entityTag } = rows[0] as (typeof rows)[0];
    for (const window of [{}, { after: at(100) }, { after: at(100), upTo: at(701) }]) {
      for (const limit of [1, 170, 1000]) {
        const found = await store.readStates({ account, entityTag, phases: ["failed"], ...window, limit });
        const { after = 0, upTo = 900 } = window as { after?: number; upTo?: number };
        const expected = rows.filter(({ phase, seq }) => phase === "failed" && seq > after && seq <= upTo).slice(0, limit);
        expect(found.map(({ seq }) => seq)).toEqual(expected.map(({ seq }) => seq));
      }
    }
    await store.close();
  });
});

describe("a Web Lock", () => {
  it("L1 that somebody steals is lost, and can be had again when it is free", async () => {
    const name = newName();
    const opened = await open(name);
    const { fastLock, store } = opened;
    expect(await fastLock?.tryAcquire()).toBe(true);
    let free: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      free = resolve;
    });
    let thief: Promise<unknown> = Promise.resolve();
    await new Promise<void>((resolve) => {
      thief = navigator.locks.request(`guardian-sync:${name}`, { steal: true }, () => {
        resolve();
        return held;
      });
    });
    await expect.poll(() => fastLock?.tryAcquire()).toBe(false);
    free();
    await thief;
    expect(await fastLock?.tryAcquire()).toBe(true);
    await fastLock?.release();
    await store.close();
  });

  it("A5 of one account's rows another one's are no part", async () => {
    const opened = await open(newName());
    const world = worldOf(opened);
    await opened.store.append([await world.segment(opened, ann(opened), 2), await world.segment(opened, bob(opened), 2)]);
    await change(opened.store, ann(opened), { settleContent: [{ from: at(1), to: at(4) }] });
    expect((await opened.store.readSegments(bob(opened), at(1), 9)).length).toBe(1);
    await opened.store.close();
  });
});
