import { expect, test } from "vitest";
import { isStoredStatus, LEDGER_OUTCOMES } from "./ledger.ts";
import * as limits from "./limits.ts";
import { cancelPath, SYNC_PATHS, verdictPath } from "./paths.ts";

test("the bounds of the wire", () => {
  expect(limits).toMatchObject({
    MAX_PAYLOAD_BYTES: 256 * 1024,
    MAX_PAYLOAD_DEPTH: 32,
    MAX_BATCH_OPERATIONS: 500,
    MAX_BODY_BYTES: 1024 * 1024,
    GZIP_ABOVE_BYTES: 1024,
    REPLAY_WINDOW_MS: 24 * 3_600_000,
    LEDGER_WINDOW_MS: 90 * 24 * 3_600_000,
    MAX_CLOCK_SKEW_MS: 5 * 60_000,
    MAX_PULL_WAIT_MS: 25_000,
    MAX_RETRY_AFTER_MS: 24 * 3_600_000,
    CONCURRENT_RETRY_MS: 2000,
    CORS_MAX_AGE_S: 7200,
    SOCKET_HELLO_TIMEOUT_MS: 5000,
    SOCKET_PING_MS: 25_000,
    MAX_LAST_ERROR_CHARS: 512,
  });
});

test("what passes is never stored for replay, what is definite is", () => {
  for (const status of [401, 408, 409, 412, 424, 425, 428, 429, 500, 502, 503, 504, 202, 302]) expect(isStoredStatus(status)).toBe(false);
  for (const status of [200, 201, 204, 400, 403, 404, 410, 422]) expect(isStoredStatus(status)).toBe(true);
  expect(LEDGER_OUTCOMES).toEqual(["applied", "noop", "rejected", "cancelled"]);
});

test("paths of the sync face", () => {
  expect(SYNC_PATHS.ops).toBe("/api/v1/sync/ops");
  expect(verdictPath("a/b")).toBe("/api/v1/sync/ops/a%2Fb");
  expect(cancelPath("k")).toBe("/api/v1/sync/ops/k/cancel");
});
