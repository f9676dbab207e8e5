import { expect, test } from "vitest";
import { encryptionOf, queuePath } from "./open-file.ts";

const hex = "AB".repeat(32);

test("C2 the queue is named by --db, then GUARDIAN_DB; no name is wrong usage", () => {
  expect(queuePath({ db: "a.db" }, { GUARDIAN_DB: "b.db" })).toBe("a.db");
  expect(queuePath({}, { GUARDIAN_DB: "b.db" })).toBe("b.db");
  expect(() => queuePath({}, {})).toThrow(expect.objectContaining({ exitCode: 2 }));
  expect(() => queuePath({}, { GUARDIAN_DB: "" })).toThrow(/GUARDIAN_DB/);
});

test("C2 the key is --key, then GUARDIAN_KEY, then the key file's; a wrong one is not repeated", () => {
  expect(encryptionOf({}, {})).toEqual({});
  expect(encryptionOf({ key: hex }, { GUARDIAN_KEY: "none" })).toEqual({ encryption: { key: hex } });
  expect(encryptionOf({}, { GUARDIAN_KEY: ` ${hex}\n` })).toEqual({ encryption: { key: hex } });
  expect(encryptionOf({ key: "none" }, {})).toEqual({ encryption: "none" });
  expect(() => encryptionOf({ key: `${hex}00` }, {})).toThrow(expect.objectContaining({ exitCode: 2 }));
  expect(() => encryptionOf({ key: "s3cret" }, {})).toThrow(expect.not.objectContaining({ message: expect.stringContaining("s3cret") }));
});
