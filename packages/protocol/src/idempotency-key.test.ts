import { expect, test } from "vitest";
import { parseIdempotencyKey } from "./idempotency-key.ts";

const KEY = "9b2f6c1e-0f4d-4c8a-9b57-2a6e4d1c7f30";

test.each([KEY, `"${KEY}"`, ` ${KEY} `, KEY.toUpperCase(), `"${KEY.toUpperCase()}"`])("%s is the key", (header) => {
  expect(parseIdempotencyKey(header)).toBe(KEY);
});

test.each([
  null,
  undefined,
  "",
  `"${KEY}`,
  `${KEY}"`,
  `'${KEY}'`,
  `"${KEY}";a=1`,
  `${KEY}, ${KEY}`,
  `{${KEY}}`,
  KEY.slice(1),
  "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
  "019a7c3e-8f00-7a10-8c2d-3f5b9e6d1a01",
])("%s is none", (header) => {
  expect(parseIdempotencyKey(header)).toBeUndefined();
});
