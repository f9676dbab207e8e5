import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson } from "./canonical.ts";
import type { Json } from "./json.ts";

const vectors = JSON.parse(readFileSync(new URL("../vectors/canonical.json", import.meta.url), "utf8")) as {
  values: { why: string; json: string; text: string }[];
  numbers: { bits: string; text: string }[];
};

describe("canonical JSON", () => {
  test.each(vectors.values)("$why", ({ json, text }) => {
    expect(canonicalJson(JSON.parse(json) as Json)).toBe(text);
  });

  test.each(vectors.numbers)("number $bits is $text", ({ bits, text }) => {
    expect(canonicalJson(Buffer.from(bits, "hex").readDoubleBE())).toBe(text);
  });

  test("the same value in any order of members has one text, and it parses back", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value as Json);
        expect(canonicalJson(reversed(value) as Json)).toBe(text);
        expect(JSON.stringify(JSON.parse(text))).toBe(JSON.stringify(JSON.parse(canonicalJson(JSON.parse(text) as Json))));
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test("members without a value are left out, as on the wire", () => {
    expect(canonicalJson({ b: 1, a: undefined } as unknown as Json)).toBe('{"b":1}');
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, undefined, 1n, () => 1, [undefined]])("%s is not JSON", (value) => {
    expect(() => canonicalJson(value as unknown as Json)).toThrow(TypeError);
  });
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, reversed(member)]),
  );
}
