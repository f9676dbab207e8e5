import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { inspectPayload } from "./inspect-json.ts";
import { parseRequestEnvelope, parseResponseEnvelope } from "./parse-envelope.ts";
import { parseProblem } from "./parse-error.ts";
import { parseChangesPage, parseSnapshotPage } from "./parse-feed.ts";
import { parseHandshakeRequest, parseHandshakeResponse } from "./parse-handshake.ts";
import { parseOperation } from "./parse-operation.ts";
import { parseOpsRequest } from "./parse-ops-request.ts";
import { parseOpsResponse } from "./parse-ops-response.ts";
import { parseOperationResult } from "./parse-result.ts";
import { parseVerdict } from "./parse-verdict.ts";
import type { Parsed } from "./parsed.ts";
import { parsePendingOp } from "./pending-op.ts";

const PARSERS: { readonly [name: string]: (value: unknown) => Parsed<unknown> } = {
  parseChangesPage,
  parseHandshakeRequest,
  parseHandshakeResponse,
  parseOperation,
  parseOperationResult,
  parseOpsRequest,
  parsePendingOp,
  parseSnapshotPage,
  parseVerdict,
  parseOpsResponse: (value) => parseOpsResponse(value, ["9b2f6c1e-0f4d-4c8a-9b57-2a6e4d1c7f30"]),
  parseProblem: (value) => parseProblem(value, 400),
  parseRequestEnvelope: (value) => parseRequestEnvelope(value, parseOpsRequest),
  parseResponseEnvelope: (value) => parseResponseEnvelope(value, inspectPayload, { trace_id: "t" }),
};
const readAll = (name: string): unknown => JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), "utf8"));
/** Good messages, to be spoiled: most random values fail at the first member and test nothing beyond it. */
const SEEDS: readonly unknown[] = [readAll("envelopes.json"), readAll("pending_op_valid.json")].flatMap((value) => objectsIn(value));

function objectsIn(value: unknown): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  return [value, ...Object.values(value).flatMap(objectsIn)];
}

const hostile: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withSparseArray: true, withTypedArray: true }),
  fc.jsonValue(),
);
/** One of the good messages with one or two of its members replaced, removed or renamed to something nasty. */
const spoiled: fc.Arbitrary<unknown> = fc
  .tuple(
    fc.constantFrom(...SEEDS),
    fc.array(fc.tuple(fc.nat(), fc.constantFrom("replace", "remove", "rename"), hostile), { minLength: 1, maxLength: 2 }),
  )
  .map(([seed, changes]) => {
    const copy = structuredClone(seed);
    const holders = objectsIn(copy) as { [name: string]: unknown }[];
    for (const [pick, how, value] of changes) {
      const holder = holders[pick % holders.length]!;
      const names = Object.keys(holder);
      const name = names[pick % Math.max(1, names.length)] ?? "x";
      delete holder[name];
      const put = how === "rename" ? "__proto__" : name;
      if (how !== "remove") Object.defineProperty(holder, put, { value, enumerable: true, configurable: true, writable: true });
    }
    return copy;
  });

function traps(): unknown[] {
  const throwing = (): never => {
    throw new Error("trap");
  };
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const ring: { [name: string]: unknown } = {};
  ring.self = ring;
  const deep: unknown = JSON.parse("[".repeat(20_000) + "]".repeat(20_000));
  return [
    proxy,
    ring,
    deep,
    new Proxy({}, { get: throwing, getOwnPropertyDescriptor: throwing, ownKeys: throwing, getPrototypeOf: throwing }),
    new Proxy([], { get: throwing }),
    Object.defineProperty({}, "key", { get: throwing, enumerable: true }),
    Object.assign([], { length: 2 ** 32 - 1 }),
    JSON.parse('{"__proto__":{"key":"9b2f6c1e-0f4d-4c8a-9b57-2a6e4d1c7f30"}}'),
    Object.create({ key: "9b2f6c1e-0f4d-4c8a-9b57-2a6e4d1c7f30", verdict: "applied", known_since: "2025-11-22T09:15:31.000Z" }),
    { toJSON: throwing, toString: throwing, valueOf: throwing },
    "\ud800",
    Number.NaN,
  ];
}

test.each(Object.keys(PARSERS))("%s never throws, and says where and why", (name) => {
  const parse = PARSERS[name]!;
  fc.assert(
    fc.property(fc.oneof(hostile, spoiled), (value) => {
      const parsed = parse(value);
      if (parsed.ok) return;
      expect(parsed.path.length).toBeLessThanOrEqual(200);
      expect(parsed.problem.length).toBeGreaterThan(3);
    }),
    { numRuns: 300 },
  );
  // A problem document needs no member at all, so that almost any object is one.
  for (const trap of traps()) expect(parse(trap).ok && name !== "parseProblem").toBe(false);
});

test("a trap in any member of any message is refused or ignored, never sprung", () => {
  for (const seed of SEEDS) {
    if (Array.isArray(seed)) continue;
    for (const trap of traps())
      for (const member of Object.keys(seed as object))
        for (const parse of Object.values(PARSERS)) parse({ ...(seed as object), [member]: trap });
  }
});

test("what was accepted is accepted again, and equal, after a trip through JSON text", () => {
  // What becomes of a batch is not the message any more, but a list of what was read.
  const faithful = Object.values(PARSERS).filter((parse) => parse !== PARSERS.parseOpsRequest && parse !== PARSERS.parseRequestEnvelope);
  fc.assert(
    fc.property(fc.constantFrom(...faithful), spoiled, (parse, value) => {
      const first = parse(value);
      if (!first.ok) return;
      const text = JSON.stringify(first.value);
      const again = parse(JSON.parse(text));
      expect(again.ok && JSON.stringify(again.value)).toBe(text);
    }),
    { numRuns: 1000 },
  );
});

test("nothing inherited is taken for sent", () => {
  const inherited: unknown = Object.create({
    key: "9b2f6c1e-0f4d-4c8a-9b57-2a6e4d1c7f30",
    verdict: "applied",
    known_since: "2025-11-22T09:15:31.000Z",
  });
  expect(parseVerdict(inherited)).toMatchObject({ ok: false, path: "key", problem: "is missing" });
});
