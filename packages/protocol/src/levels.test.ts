import { expect, test } from "vitest";
import { EXPOSED_HEADERS, HEADERS, requestHeadersOf } from "./headers.ts";
import { type CapabilityFacts, factsOfHandshake, LEVELS, levelOf } from "./levels.ts";
import { PROTOCOL_VERSION } from "./messages.ts";

const ALL: CapabilityFacts = { conditionalWrites: true, idempotencyKeys: true, changeFeed: true, syncProtocol: true };
const LADDER = ["conditionalWrites", "idempotencyKeys", "changeFeed", "syncProtocol"] as const;

test("each level is reached by all its rungs, and one missing rung ends the climb", () => {
  expect(levelOf(ALL)).toBe(4);
  LADDER.forEach((rung, level) => {
    expect(levelOf({ ...ALL, [rung]: false })).toBe(level);
  });
});

test("every level is described, in order, with at least one promise", () => {
  expect(LEVELS.map(({ level }) => level)).toEqual([0, 1, 2, 3, 4]);
  for (const { offers, promises } of LEVELS) expect([offers, ...promises].every((text) => text.length > 5)).toBe(true);
});

test("a handshake tells the level", () => {
  const answer = { protocol: { min: 1, max: 1 }, idempotency: { honoured: true }, feed: { changes: true, snapshot: true } };
  expect(levelOf(factsOfHandshake(answer, PROTOCOL_VERSION))).toBe(4);
  expect(levelOf(factsOfHandshake({ ...answer, protocol: { min: 2, max: 3 } }, PROTOCOL_VERSION))).toBe(3);
  expect(levelOf(factsOfHandshake({ ...answer, feed: { changes: true, snapshot: false } }, PROTOCOL_VERSION))).toBe(2);
  expect(levelOf(factsOfHandshake({ ...answer, idempotency: { honoured: false } }, PROTOCOL_VERSION))).toBe(1);
});

test("a weaker backend gets no header that its CORS answer may not list", () => {
  expect(requestHeadersOf(0)).toEqual(["Authorization", "Content-Type", "If-Match"]);
  expect(requestHeadersOf(1)).toEqual(requestHeadersOf(0));
  expect(requestHeadersOf(2)).toEqual([...requestHeadersOf(0), "Idempotency-Key"]);
  expect(requestHeadersOf(3)).toEqual(requestHeadersOf(2));
  for (const name of ["X-App-Version", "X-Device-Id", "Trace-Id", "traceparent", "X-Attempt", "Sync-Fence", "Sync-Lease"])
    expect(requestHeadersOf(4)).toContain(name);
});

test("a browser may read every answer header that the client uses", () => {
  for (const name of [HEADERS.retryAfter, HEADERS.date, HEADERS.etag, HEADERS.location, HEADERS.requestId, HEADERS.idempotentReplayed])
    expect(EXPOSED_HEADERS).toContain(name);
  expect(EXPOSED_HEADERS.filter((name) => name.startsWith("X-Rate-Limit-"))).toHaveLength(3);
});
