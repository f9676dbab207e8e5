/// <reference lib="dom" />
import type { EpochMs } from "@guardian-sync/protocol";
import { describe, expect, it } from "vitest";
import { encodeContent, openJson, packSegment, sealJson, utf8Decode } from "../format/index.ts";
import type { OpenedStore, StateRow } from "../ports/index.ts";
import { ann, at, change, codeOf, linesOf, state } from "../testing/store-contract-world.ts";
import { contentsOf, newName, open, refusal, tamper, worldOf } from "./indexeddb.test.support.ts";
import { type IndexedDbEncryption, indexedDbStore } from "./indexeddb.ts";

const PLACE = { table: "t", id: "1", field: "f" };
const bytes = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

async function filled(name: string, encryption?: IndexedDbEncryption): Promise<OpenedStore> {
  const opened = await open(name, encryption);
  await opened.store.append([await worldOf(opened).segment(opened, ann(opened), 3)]);
  return opened;
}

function aesKey(extractable: boolean, usages: KeyUsage[] = ["encrypt", "decrypt"], length = 256): Promise<CryptoKey> {
  return crypto.subtle.generateKey({ name: "AES-GCM", length }, extractable, usages);
}

describe("the key that the browser keeps", () => {
  it("Q3 is made once, and no script can read it", async () => {
    const name = newName();
    const { store } = await filled(name);
    await store.close();
    const [[, key] = []] = (await contentsOf(name)).keys as [number, CryptoKey][];
    expect([key?.extractable, key?.algorithm]).toEqual([false, { name: "AES-GCM", length: 256 }]);
    await expect(crypto.subtle.exportKey("raw", key as CryptoKey)).rejects.toThrow();
    const again = await open(name);
    const [row] = await again.store.readSegments(ann(again), at(1), 1);
    expect(row === undefined ? 0 : (await linesOf(again, row)).length).toBe(3);
    await again.store.close();
  });

  it("Q3 of two tabs that make the queue at once, both have the same one", async () => {
    const name = newName();
    const [one, two] = await Promise.all([open(name), open(name)]);
    expect([two.store.storeId, [...two.tagKey]]).toEqual([one.store.storeId, [...one.tagKey]]);
    const sealed = await sealJson(one.keys, one.store.storeId, PLACE, "text");
    expect(await openJson(two.keys, two.store.storeId, PLACE, sealed)).toBe("text");
    for (const { store } of [one, two]) await store.close();
  });

  it("Q3 lost: opening says so, and changes nothing", async () => {
    const name = newName();
    await (await filled(name)).store.close();
    await tamper(name, ["keys"], (tx) => tx.objectStore("keys").clear());
    const before = await contentsOf(name);
    const error = await refusal(open(name));
    expect([error.code, error.userMessage]).toEqual(["WRONG_KEY", expect.stringContaining("key is missing")]);
    expect(error.message).toContain(name);
    expect(await contentsOf(name)).toEqual(before);
  });
});

describe("a key of the app", () => {
  it("Q3 another one, none, or one too many is refused, and nothing is changed", async () => {
    for (const [mine, others] of [
      [{ key: bytes(1) }, [{ key: bytes(2) }, "none", undefined]],
      ["none", [{ key: bytes(1) }, undefined]],
      [undefined, [{ key: bytes(1) }, "none"]],
    ] as const) {
      const name = newName();
      await (await filled(name, mine)).store.close();
      const before = await contentsOf(name);
      for (const other of others) expect((await refusal(open(name, other))).code).toBe("WRONG_KEY");
      expect(await contentsOf(name)).toEqual(before);
      await (await open(name, mine)).store.close();
    }
  });

  it("is the same key as bytes and as a CryptoKey, which need not be extractable", async () => {
    const name = newName();
    await (await filled(name, { key: bytes(9) })).store.close();
    const key = await crypto.subtle.importKey("raw", bytes(9) as Uint8Array<ArrayBuffer>, "AES-GCM", false, ["encrypt", "decrypt"]);
    const again = await open(name, { key });
    const [row] = await again.store.readSegments(ann(again), at(1), 1);
    expect(row === undefined ? 0 : (await linesOf(again, row)).length).toBe(3);
    await again.store.close();
  });

  it("comes from a provider, with those before it", async () => {
    const name = newName();
    await (await filled(name, { key: bytes(1) })).store.close();
    const current = await aesKey(false);
    const provider = { keys: async (): Promise<{ current: CryptoKey; previous: Uint8Array[] }> => ({ current, previous: [bytes(1)] }) };
    const again = await open(name, { provider });
    const [row] = await again.store.readSegments(ann(again), at(1), 1);
    expect(row === undefined ? 0 : (await linesOf(again, row)).length).toBe(3);
    await again.store.close();
  });

  it("Q8 that is none is a mistake of the caller", async () => {
    const weak = [bytes(1).slice(1), await aesKey(false, ["encrypt"]), await aesKey(false, ["encrypt", "decrypt"], 128), "text", null];
    for (const key of weak) expect(() => indexedDbStore({ name: "x", encryption: { key: key as CryptoKey } })).toThrow(TypeError);
    expect(() => indexedDbStore({ name: "x", encryption: {} as "none" })).toThrow(TypeError);
    expect(() => indexedDbStore({ name: "" })).toThrow(TypeError);
    expect(() => indexedDbStore({ name: "x", openTimeoutMs: 0 })).toThrow(TypeError);
  });

  it("none at all is said", async () => {
    const { notices, store } = await open(newName(), "none");
    expect(notices.map(({ code }) => code)).toEqual(["UNENCRYPTED"]);
    await store.close();
  });
});

const CANARY = "canary-7f3a";

/** All texts and bytes in a value, however deep. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (value instanceof Uint8Array) return [utf8Decode(value)];
  if (typeof value !== "object" || value === null || value instanceof CryptoKey) return [];
  return Object.values(value).flatMap(textsIn);
}

describe("records", () => {
  async function withCanary(encryption?: IndexedDbEncryption): Promise<string[]> {
    const name = newName();
    const opened = await open(name, encryption);
    const world = worldOf(opened);
    const account = ann(opened);
    const operation = { ...world.operation(CANARY), payload: { name: CANARY }, createdAt: 1 as EpochMs };
    const { store, keys } = opened;
    const ids = { idMin: operation.id, idMax: operation.id };
    const segmentId = world.newUuid();
    const segment = await packSegment(keys, store.storeId, segmentId, account, [encodeContent(operation)], ids, [
      state(opened, account, 1).entityTag,
    ]);
    await store.append([segment]);
    const sealed = await sealJson(keys, store.storeId, PLACE, { note: CANARY });
    const row: StateRow = state(opened, account, 1, { detail: sealed, phase: "failed" });
    await change(store, account, { putStates: [row], putAccountDetail: sealed, putMeta: [{ key: "note", value: sealed }] });
    await store.close();
    return textsIn(await contentsOf(name));
  }

  it("Q3 hold no plain text", async () => {
    const texts = await withCanary();
    expect(texts.length).toBeGreaterThan(20);
    expect(texts.filter((text) => text.includes(CANARY))).toEqual([]);
    // The search finds what there is to find.
    expect((await withCanary("none")).filter((text) => text.includes(CANARY)).length).toBe(4);
  });

  it("Q3 that are damaged are unreadable, alone", async () => {
    const name = newName();
    await (await filled(name)).store.close();
    await tamper(name, ["segments"], (tx) => {
      const request = tx.objectStore("segments").openCursor();
      request.onsuccess = (): void => {
        const cursor = request.result;
        if (cursor === null) return;
        const record = cursor.value as { body: Uint8Array };
        record.body[40] = (record.body[40] as number) ^ 1;
        cursor.update(record);
      };
    });
    const opened = await open(name);
    const [row] = await opened.store.readSegments(ann(opened), at(1), 1);
    expect(await codeOf(linesOf(opened, row as NonNullable<typeof row>))).toBe("UNREADABLE");
    expect((await opened.store.checkIntegrity()).ok).toBe(true);
    await opened.store.close();
  });
});
