import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inspectDocument, inspectJson, inspectPayload, jsonDepth } from "./inspect-json.ts";
import { utf8SizeBytes } from "./utf8-size.ts";

const nested = (levels: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? { a: value } : [value];
  return value;
};
const problemOf = (value: unknown): unknown => {
  const parsed = inspectPayload(value);
  return parsed.ok ? undefined : parsed;
};

describe("a payload", () => {
  test("is any JSON, and is not copied", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 10 }), (value) => {
        fc.pre(!/"(?:__proto__|constructor|prototype)":/.test(JSON.stringify(value)));
        const parsed = inspectPayload(value);
        expect(parsed.ok && parsed.value).toBe(parsed.ok ? value : false);
        expect(parsed.ok).toBe(true);
      }),
    );
  });

  test("has at most 32 levels", () => {
    expect(problemOf(nested(32))).toBeUndefined();
    expect(problemOf(nested(33))).toMatchObject({ problem: "is nested deeper than 32 levels" });
    expect(problemOf(JSON.parse("[".repeat(100_000) + "]".repeat(100_000)))).toBeDefined();
  });

  test("has at most 256 KiB of JSON text, measured in UTF-8", () => {
    const limit = 256 * 1024;
    expect(problemOf("a".repeat(limit - 2))).toBeUndefined();
    expect(problemOf("a".repeat(limit - 1))).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(problemOf("ä".repeat((limit - 2) / 2))).toBeUndefined();
    expect(problemOf("ä".repeat(limit / 2))).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(problemOf("\u0001".repeat(limit / 6 - 2))).toBeUndefined();
    expect(problemOf("\u0001".repeat(limit / 6 + 2))).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(problemOf(Array.from({ length: limit }, () => 1))).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(problemOf({ ["k".repeat(limit)]: 1 })).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  });

  test.each(["__proto__", "constructor", "prototype"])("has no member %s, however deep", (name) => {
    const value: unknown = JSON.parse(`{"a":[0,{"${name}":{"admin":true}}]}`);
    expect(problemOf(value)).toMatchObject({ path: `a[1].${name}`, problem: "is a name that is not allowed" });
    expect(problemOf({ text: name })).toBeUndefined();
  });

  test.each([
    ["NaN", { a: Number.NaN }, "a"],
    ["Infinity", [Number.POSITIVE_INFINITY], "[0]"],
    ["a function", { a: { b: () => 1 } }, "a.b"],
    ["a bigint", { a: 1n }, "a"],
    ["a symbol", [Symbol("x")], "[0]"],
    ["a hole", [1, undefined], "[1]"],
    ["a date", { a: new Date(0) }, "a"],
    ["a map", { a: new Map() }, "a"],
    ["bytes", { a: new Uint8Array(2) }, "a"],
    ["nothing", undefined, ""],
  ])("holds no %s", (_what, value, path) => {
    expect(problemOf(value)).toMatchObject({ path });
  });

  test("may leave members undefined, may have no prototype, or come from another realm", () => {
    expect(problemOf({ a: undefined, b: 1 })).toBeUndefined();
    expect(problemOf(Object.assign(Object.create(null), { a: 1 }))).toBeUndefined();
  });

  test("that runs in circles or hides traps is refused, not thrown", () => {
    const ring: { [name: string]: unknown } = {};
    ring.a = ring;
    ring.b = ring;
    const trap = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error("trap");
        },
      },
    );
    const getter = {
      get a(): number {
        throw new Error("getter");
      },
    };
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const value of [ring, { deep: [trap] }, getter, proxy, [proxy]]) expect(problemOf(value)).toBeDefined();
  });

  test("of many short branches stops at the size, not at the end", () => {
    let reads = 0;
    const endless = new Proxy([], {
      get: (target, name, receiver): unknown => {
        if (name === "length") return 2 ** 31;
        if (typeof name !== "string") return Reflect.get(target, name, receiver);
        reads += 1;
        return 0;
      },
    });
    expect(problemOf(endless)).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(reads).toBeLessThanOrEqual(256 * 1024 + 1);
  });

  test("long paths are cut in front", () => {
    const parsed = inspectJson({ ["x".repeat(1000)]: { end: Number.NaN } }, { maxDepth: 5, maxBytes: 10_000 });
    expect(parsed).toMatchObject({ ok: false, path: expect.stringMatching(/^…x+\.end$/) });
    expect(parsed.ok ? 0 : parsed.path.length).toBe(200);
  });
});

test("a document is an object, deeper and larger than a payload", () => {
  expect(inspectDocument({ a: nested(100), b: "a".repeat(300_000) }).ok).toBe(true);
  expect(inspectDocument([]).ok).toBe(false);
  expect(inspectDocument(nested(129)).ok).toBe(false);
});

test("depth is counted without recursion and ends on cycles", () => {
  expect([1, {}, [], { a: 1 }, { a: [1, {}] }].map((value) => jsonDepth(value))).toEqual([0, 1, 1, 1, 3]);
  expect(jsonDepth([[], [[[]]], []])).toBe(4);
  expect(jsonDepth(nested(900))).toBe(900);
  const ring: unknown[] = [];
  ring.push(ring, ring);
  expect(jsonDepth(ring, 50)).toBe(50);
});

test("UTF-8 size is that of an encoder", () => {
  const encoder = new TextEncoder();
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(utf8SizeBytes(text)).toBe(encoder.encode(text).length);
    }),
  );
  expect(utf8SizeBytes("\ud83d")).toBe(3);
  expect(utf8SizeBytes("\ud83da\ude00")).toBe(7);
});
