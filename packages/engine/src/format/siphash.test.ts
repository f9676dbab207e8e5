import { expect, test } from "vitest";
import { accountTag, entityTag } from "./index.ts";
import { joined } from "./joined.ts";
import { sipHashHex } from "./siphash.ts";
import { utf8Encode } from "./utf8.ts";

const KEY = Uint8Array.from({ length: 16 }, (_, i) => i);

// vectors.h of the reference implementation: key 00…0f, messages of 0, 1, 2 … bytes 00, 01, 02 …; least significant byte first.
const REFERENCE = `
  310e0edd47db6f72 fd67dc93c539f874 5a4fa9d909806c0d 2d7efbd796666785 b7877127e09427cf 8da699cd64557618 cee3fe586e46c9cb
  37d1018bf50002ab 6224939a79f5f593 b0e4a90bdf82009e f3b9dd94c5bb5d7a a7ad6b22462fb3f4 fbe50e86bc8f1e75 903d84c02756ea14
  eef27a8e90ca23f7 e545be4961ca29a1`
  .trim()
  .split(/\s+/);

test("SipHash-2-4 gives the values of its authors for every length of a last block", () => {
  for (const [length, bytes] of REFERENCE.entries()) {
    const message = Uint8Array.from({ length }, (_, i) => i);
    expect(sipHashHex(KEY, message)).toBe((bytes.match(/../g) ?? []).toReversed().join(""));
  }
  expect(() => sipHashHex(KEY.slice(1), KEY)).toThrow(RangeError);
});

test("tags are the hash of the joined parts, whatever characters are in them and however long they are", () => {
  const account = accountTag(KEY, { space: "s", principal: "p" });
  const ids = [
    "",
    "a",
    "x".repeat(9),
    "x".repeat(10),
    "x".repeat(99),
    "x".repeat(100),
    "x".repeat(480),
    "x".repeat(9999),
    "é",
    "🦊",
    "\u0000",
  ];
  for (const id of ids) {
    const expected = sipHashHex(KEY, utf8Encode(joined(["entity", account, "device", id])));
    expect(entityTag(KEY, account, "device", id)).toBe(expected);
    expect(expected).toMatch(/^[0-9a-f]{16}$/);
  }
  expect(new Set(ids.map((id) => entityTag(KEY, account, "device", id))).size).toBe(ids.length);
});

test("tags of different accounts and entities differ, also where their names run into each other", () => {
  const account = accountTag(KEY, { space: "s", principal: "p" });
  const tags = [
    accountTag(KEY, { space: "ab", principal: "c" }),
    accountTag(KEY, { space: "a", principal: "bc" }),
    accountTag(KEY, { space: "", principal: "abc" }),
    accountTag(KEY, { space: "a1:b", principal: "c" }),
    accountTag(KEY, { space: "a", principal: "1:bc" }),
    entityTag(KEY, account, "ab", "c"),
    entityTag(KEY, account, "a", "bc"),
    accountTag(KEY.toReversed(), { space: "ab", principal: "c" }),
  ];
  expect(new Set(tags).size).toBe(tags.length);
});
