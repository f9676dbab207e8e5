import fc from "fast-check";
import { expect, test } from "vitest";
import { nodeKeyRing } from "../storage/key-ring-node.ts";
import type { AccountTag, EntityTag, KeyRing, MaybePromise, Seq } from "../ports/index.ts";
import { crc32 } from "./crc32.ts";
import {
  ENVELOPE_OVERHEAD_BYTES,
  encodeEnvelope,
  openJson,
  openSealed,
  openSegment,
  packSealed,
  packSegment,
  parseEnvelope,
  plainKeyRing,
  sealJson,
  utf8Encode,
} from "./index.ts";

const PLACE = { table: "states", id: "7", field: "detail" };
const sync = nodeKeyRing({ current: "ab".repeat(32) });
/** As WebCrypto is: every answer later. */
const later: KeyRing = {
  currentKeyId: sync.currentKeyId,
  encrypt: async (plain, aad) => sync.encrypt(plain, aad),
  decrypt: async (envelope, aad) => sync.decrypt(envelope, aad),
};
const RINGS = { encrypted: sync, plain: plainKeyRing(), asynchronous: later };

async function codeOf(effect: () => MaybePromise<unknown>): Promise<string> {
  try {
    await effect();
    return "none";
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name;
  }
}

test("an envelope is its parts, in their places", () => {
  const parts = {
    algorithm: 1 as const,
    keyId: Uint8Array.from({ length: 8 }, (_, i) => i + 1),
    nonce: Uint8Array.from({ length: 12 }, (_, i) => i + 101),
    ciphertext: Uint8Array.of(7, 8, 9),
    tag: Uint8Array.from({ length: 16 }, (_, i) => i + 201),
  };
  const bytes = encodeEnvelope(parts);
  expect([...bytes]).toEqual([1, 1, ...parts.keyId, ...parts.nonce, 7, 8, 9, ...parts.tag]);
  expect(parseEnvelope(bytes)).toEqual(parts);
  expect(() => encodeEnvelope({ ...parts, nonce: new Uint8Array(11) })).toThrow(RangeError);
});

test("A1 hostile bytes are no envelope, or an envelope that does not open; nothing else happens", async () => {
  const row = { segmentId: "s", account: "a" as AccountTag, seqFrom: 1 as Seq, count: 1, live: 1, idMin: "", idMax: "", entityTags: [] };
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 90 }), fc.boolean(), fc.boolean(), async (noise, withHeader, isPlain) => {
      const body = withHeader ? Uint8Array.from([1, isPlain ? 0 : 1, ...sync.currentKeyId, ...noise]) : noise;
      const parsed = parseEnvelope(body);
      if (body.length < ENVELOPE_OVERHEAD_BYTES) expect(parsed).toBe(undefined);
      for (const keys of Object.values(RINGS)) {
        for (const open of [
          () => openSegment(keys, "store", { ...row, body }),
          () => openSealed(keys, "store", { packId: "p", live: 1, body }),
          () => openJson(keys, "store", PLACE, body),
        ]) {
          expect(["UNREADABLE", "WRONG_KEY"]).toContain(await codeOf(open));
        }
      }
    }),
  );
});

for (const [name, keys] of Object.entries(RINGS)) {
  test(`${name}: what is packed opens to the same, and every flipped bit is noticed`, async () => {
    const lines = ['{"a":1}', '{"b":"é 🦊"}', '{"c":"\\n"}'];
    const tags = lines.map((_, i) => String(i).repeat(16) as EntityTag);
    const segment = await packSegment(keys, "store", "segment", "account" as AccountTag, lines, { idMin: "a", idMax: "b" }, tags);
    const row = { ...segment, seqFrom: 5 as Seq, live: 2 };
    expect(await openSegment(keys, "store", row)).toEqual(lines);
    const pack = await packSealed(keys, "store", "pack", ["", "one\ntwo", "1,2\n", "é🦊"]);
    expect(pack.live).toBe(4);
    expect(await openSealed(keys, "store", pack)).toEqual(["", "one\ntwo", "1,2\n", "é🦊"]);
    const record = await sealJson(keys, "store", PLACE, { x: [null, "é"] });
    expect(await openJson(keys, "store", PLACE, record)).toEqual({ x: [null, "é"] });

    for (let bit = 0; bit < segment.body.length * 8; bit += 3) {
      const body = segment.body.slice();
      body[bit >> 3] = (body[bit >> 3] as number) ^ (1 << (bit & 7));
      // Nonce and zeros of a plain envelope mean nothing: a flip there is harmless, and the text is as it was.
      const opened = await codeOf(async () => expect(await openSegment(keys, "store", { ...row, body })).toEqual(lines));
      if (name !== "plain") expect(["UNREADABLE", "WRONG_KEY"]).toContain(opened);
      else expect(["UNREADABLE", "WRONG_KEY", "none"]).toContain(opened);
    }
  });

  test(`${name}: what is moved to another place does not open there`, async () => {
    const record = await sealJson(keys, "store", PLACE, 1);
    expect(await codeOf(() => openJson(keys, "other", PLACE, record))).toBe("UNREADABLE");
    for (const field of ["table", "id", "field"]) {
      expect(await codeOf(() => openJson(keys, "store", { ...PLACE, [field]: "other" }, record))).toBe("UNREADABLE");
    }
    const pack = await packSealed(keys, "store", "pack", ["a"]);
    expect(await codeOf(() => openSealed(keys, "store", { ...pack, packId: "other" }))).toBe("UNREADABLE");
  });
}

test("a synchronous key ring answers at once: nothing waits between packing and writing", () => {
  expect(sealJson(sync, "store", PLACE, 1)).toBeInstanceOf(Uint8Array);
  expect(packSealed(sync, "store", "p", ["a"])).not.toBeInstanceOf(Promise);
  const segment = packSegment(sync, "store", "s", "a" as AccountTag, ["{}"], { idMin: "", idMax: "" }, ["t" as EntityTag]);
  expect(segment).not.toBeInstanceOf(Promise);
});

test("Q8 segments and packs that make no sense are refused before anything is encrypted", () => {
  const pack = (lines: readonly string[], tags: number): unknown =>
    packSegment(sync, "store", "s", "a" as AccountTag, lines, { idMin: "", idMax: "" }, Array(tags).fill("t"));
  expect(() => pack([], 0)).toThrow(TypeError);
  expect(() => pack(["{}"], 2)).toThrow(TypeError);
  expect(() => pack(["{\n}"], 1)).toThrow(TypeError);
  expect(() => packSealed(sync, "store", "p", [])).toThrow(TypeError);
});

test("nonces never repeat", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 3000; i++)
    seen.add(parseEnvelope(sync.encrypt(new Uint8Array(1), new Uint8Array()) as Uint8Array)?.nonce.join() ?? "");
  expect(seen.size).toBe(3000);
});

test("the checksum is CRC-32: the check value of its catalogue, in one piece or in two", () => {
  expect(crc32(utf8Encode("123456789"))).toBe(0xcbf43926);
  expect(crc32(utf8Encode("6789"), crc32(utf8Encode("12345")))).toBe(0xcbf43926);
});
