import type { HandshakeResponse } from "@guardian-sync/protocol";
import { describe, expect, test } from "vitest";
import { type Capabilities, capabilityFell, declaredCapabilities, readHandshake } from "./handshake.ts";

const account = { space: "acme", principal: "user-1" };
const answer: HandshakeResponse = {
  protocol: { min: 1, max: 1 },
  idempotency: { honoured: true, replay_window_s: 86_400, key_window_s: 7_776_000 },
  batch: { max_operations: 500, max_bytes: 1_048_576 },
  operations: ["device.rename"],
  collections: { device: "devices" },
  feed: { changes: true, snapshot: true, max_wait_s: 25 },
  realtime: { socket: true },
  cancel: true,
  server_time: "2026-03-01T12:00:00.000Z",
  generation: "g1",
  account,
};
const capabilities = (more: Partial<HandshakeResponse> = {}): Capabilities => {
  const read = readHandshake({ ...answer, ...more }, account);
  if (!read.ok) throw new Error(read.code);
  return read.capabilities;
};

describe("handshake", () => {
  test("X3 tells what the backend can do", () => {
    expect(readHandshake(answer, account)).toEqual({
      ok: true,
      serverTime: Date.parse("2026-03-01T12:00:00.000Z"),
      capabilities: {
        level: 4,
        maxOperations: 500,
        maxBytes: 1_048_576,
        namedOperations: ["device.rename"],
        collections: { device: "devices" },
        cancel: true,
        feed: true,
        socket: true,
        keyWindowMs: 7_776_000_000,
        generation: "g1",
      },
    });
  });
  test("X3 a server may announce less than the protocol's bounds, never more", () => {
    expect(capabilities({ batch: { max_operations: 10, max_bytes: 5000 } })).toMatchObject({ maxOperations: 10, maxBytes: 5000 });
    expect(capabilities({ batch: { max_operations: 9000, max_bytes: 9e9 } })).toMatchObject({ maxOperations: 500, maxBytes: 1_048_576 });
  });
  test("X3 the level is the highest whose every rung is there", () => {
    expect(capabilities({ protocol: { min: 2, max: 3 } }).level).toBe(3);
    expect(capabilities({ feed: { changes: true, snapshot: false, max_wait_s: 0 } })).toMatchObject({ level: 2, feed: false });
    expect(capabilities({ idempotency: { honoured: false, replay_window_s: 0, key_window_s: 60 } })).toMatchObject({
      level: 1,
      keyWindowMs: 0,
    });
  });
  test.each([
    { space: "acme", principal: "user-2" },
    { space: "other", principal: "user-1" },
  ])("A5 another account than ours stops everything before the first write", (other) => {
    expect(readHandshake({ ...answer, account: other }, account)).toMatchObject({ ok: false, code: "PRINCIPAL_MISMATCH" });
  });
  test("X3 a backend without a handshake has what was declared, and never level 4", () => {
    const facts = { conditionalWrites: true, idempotencyKeys: true, changeFeed: true, syncProtocol: true };
    expect(declaredCapabilities(facts, { device: "devices" })).toMatchObject({
      level: 3,
      feed: true,
      cancel: false,
      collections: { device: "devices" },
    });
    expect(declaredCapabilities({ ...facts, conditionalWrites: false }, {})).toMatchObject({ level: 0, feed: false });
  });
});

describe("a backend that became weaker", () => {
  const full = capabilities();
  test("X3 the same, or more, is no fall; nor is a smaller batch", () => {
    expect(capabilityFell(full, full)).toEqual([]);
    expect(capabilityFell({ ...full, level: 2, cancel: false, namedOperations: [] }, full)).toEqual([]);
    expect(capabilityFell(full, { ...full, maxOperations: 1, generation: "g2", socket: false })).toEqual([]);
  });
  test.each<[Partial<Capabilities>, string]>([
    [{ level: 3 }, "capability level 4 became 3"],
    [{ cancel: false }, "keys can no longer be cancelled"],
    [{ feed: false }, "the change feed is gone"],
    [{ keyWindowMs: 86_400_000 }, "keys are remembered for 86400 s instead of 7776000 s"],
    [{ namedOperations: [] }, "operation device.rename is no longer known"],
  ])("X3 %j is told", (less, told) => {
    expect(capabilityFell(full, { ...full, ...less })).toEqual([told]);
  });
});
