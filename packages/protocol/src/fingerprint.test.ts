import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type FingerprintInput, fingerprint, fingerprintText } from "./fingerprint.ts";

const vectors = JSON.parse(readFileSync(new URL("../vectors/fingerprint.json", import.meta.url), "utf8")) as {
  why: string;
  input: FingerprintInput;
  text: string;
  sha256: string;
}[];
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

test.each(vectors)("fingerprint: $why", (vector) => {
  expect(fingerprintText(vector.input)).toBe(vector.text);
  expect(fingerprint(vector.input, sha256)).toBe(vector.sha256);
});

test("each of the six members changes the fingerprint", () => {
  const op: FingerprintInput = {
    type: "UPDATE",
    entity_type: "device",
    entity_id: "1",
    payload: { a: 1 },
    base: { version: 1 },
    group: "g",
  };
  const { base: _base, group: _group, ...bare } = op;
  const texts = [
    op,
    { ...op, type: "DELETE" },
    { ...op, entity_type: "room" },
    { ...op, entity_id: "2" },
    { ...op, payload: { a: 2 } },
    { ...op, base: { version: 2 } },
    { ...op, base: { after: "1" } },
    { ...op, group: "h" },
    bare,
  ].map(fingerprintText);
  expect(new Set(texts).size).toBe(texts.length);
});
