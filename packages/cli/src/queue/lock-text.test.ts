import type { LockRow } from "guardian-sync/operator";
import { expect, test } from "vitest";
import { lockJson, lockLine } from "./lock-text.ts";

const NOW = Date.parse("2026-01-01T00:01:00.000Z");
const row = {
  owner: "pc:1\u001b",
  fence: 3,
  leaseId: "l",
  acquiredAt: NOW - 60_000,
  heartbeatAt: NOW - 5000,
  beats: 1,
  holdsFastLock: true,
  released: false,
} as LockRow;

test("a lock is told to people in a line, to machines in snake_case", () => {
  expect(lockLine(undefined, NOW)).toBe("free; nobody ever held it");
  expect(lockLine({ ...row, released: true }, NOW)).toBe("free; last held by pc:1\\u001b, fence 3");
  expect(lockLine(row, NOW)).toBe("held by pc:1\\u001b, fence 3, last heartbeat 5 s ago");
  expect(lockJson(undefined, NOW)).toEqual({ held: false });
  expect(lockJson(row, NOW)).toEqual({
    held: true,
    owner: row.owner,
    fence: 3,
    lease_id: "l",
    acquired_at: "2026-01-01T00:00:00.000Z",
    heartbeat_at: "2026-01-01T00:00:55.000Z",
    heartbeat_age_ms: 5000,
    holds_fast_lock: true,
  });
});
