import { expect, test } from "vitest";
import { formatEtag, parseEtag, parseIfMatch } from "./etag.ts";

test("a version is a strong tag and comes back", () => {
  expect(formatEtag(7)).toBe('"v7"');
  for (const version of [0, 1, 7, Number.MAX_SAFE_INTEGER]) expect(parseEtag(formatEtag(version))).toBe(version);
});

test.each([-1, 1.5, Number.NaN, 2 ** 53])("%d is no version", (version) => {
  expect(() => formatEtag(version)).toThrow(RangeError);
});

test.each([null, undefined, "", "v7", '"7"', 'W/"v7"', '"v07"', '"v-1"', '"v7', '"v9999999999999999"', '"v7", "v8"'])(
  "%s is not a version of ours",
  (text) => {
    expect(parseEtag(text)).toBeUndefined();
  },
);

test("If-Match: any, ours, and what never matches", () => {
  expect(parseIfMatch(" * ")).toBe("*");
  expect(parseIfMatch('"v7"')).toEqual([7]);
  expect(parseIfMatch('"v7" ,"v8"')).toEqual([7, 8]);
  expect(parseIfMatch('W/"v7", "abc"')).toEqual([]);
});

test.each(["", "7", "v7", '"v7', '"v7",', '*, "v7"', '"a"b"'])("If-Match %s is malformed", (text) => {
  expect(parseIfMatch(text)).toBeUndefined();
});
