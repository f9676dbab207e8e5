import { expect, test } from "vitest";
import { judgeAppVersion } from "./app-version.ts";

/** Semantic Versioning 2.0.0, §11, oldest first. */
const ORDER = [
  "1.0.0-alpha",
  "1.0.0-alpha.1",
  "1.0.0-alpha.beta",
  "1.0.0-beta",
  "1.0.0-beta.2",
  "1.0.0-beta.11",
  "1.0.0-rc.1",
  "1.0.0",
  "1.0.1",
  "1.2.0",
  "1.10.0",
  "2.0.0",
];

test("each version is older than all that follow it", () => {
  for (const [index, version] of ORDER.entries()) {
    for (const [other, minimum] of ORDER.entries()) {
      const refusal = judgeAppVersion(version, minimum);
      expect(refusal?.code, `${version} where ${minimum} is needed`).toBe(index < other ? "CLIENT_TOO_OLD" : undefined);
    }
  }
});

test.each([undefined, "", "dev", "1", "1.2", "1.2.3.4", "-1.0.0", "9".repeat(20)])("what is no version (%s) is let pass", (version) => {
  expect(judgeAppVersion(version, "2.0.0")).toBeNull();
  expect(judgeAppVersion("1.0.0", version)).toBeNull();
});
