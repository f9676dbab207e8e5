import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { redactPayload } from "./redact-payload.ts";
import { isSensitiveName, SENSITIVE_FIELD_NAMES } from "./sensitive-names.ts";

describe("sensitive fields", () => {
  const camel = (name: string): string => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  test.each(
    SENSITIVE_FIELD_NAMES.flatMap((name) => [
      name,
      name.toUpperCase(),
      camel(name),
      name.replaceAll("_", "-"),
      camel(`x_${name}`).slice(1),
    ]),
  )("%s", (name) => {
    for (const value of ["v", 1, true, { a: 1 }, ["x"], null])
      expect(redactPayload({ list: [{ [name]: value }] })).toEqual({ list: [{ [name]: "[REDACTED]" }] });
  });

  test.each(["client_secret", "idToken", "X-Api-Key", "Set-Cookie", "userPassword", "private_key", "csrf_token"])("%s too", (name) => {
    expect(isSensitiveName(name)).toBe(true);
  });

  test.each(["txn_token", "page_token", "tokens", "name", "pinned", "opinion", "secretary", "idempotency_key", "trace_id", "spin", ""])(
    "%s is not",
    (name) => {
      expect(isSensitiveName(name)).toBe(false);
    },
  );
});

describe("values", () => {
  test("texts are redacted at any depth, in keys too; the rest stays", () => {
    expect(redactPayload({ email: "a@b.com", deep: [{ note: "call 555-123-4567" }], "a@b.com": 1, n: 1.5, ok: true, none: null })).toEqual({
      email: "[REDACTED_EMAIL]",
      deep: [{ note: "call [REDACTED_PHONE]" }],
      "[REDACTED_EMAIL]": 1,
      n: 1.5,
      ok: true,
      none: null,
    });
    expect(redactPayload("a@b.com")).toBe("[REDACTED_EMAIL]");
  });

  test("a field called phone holds a phone number, however it is written", () => {
    expect(
      redactPayload({ phone: 5551234567, mobilePhone: "5551234567", "fax-number": "555 12 34", phones: 2, phone_type: "home" }),
    ).toEqual({
      phone: "[REDACTED_PHONE]",
      mobilePhone: "[REDACTED_PHONE]",
      "fax-number": "[REDACTED_PHONE]",
      phones: 2,
      phone_type: "home",
    });
  });

  test("maps, sets, dates, bytes, bigints and functions become plain data", () => {
    const value = {
      map: new Map<unknown, unknown>([
        ["password", 1],
        [{ id: 1 }, "a@b.com"],
      ]),
      set: new Set(["a@b.com", 1]),
      date: new Date(0),
      never: new Date(Number.NaN),
      bytes: new Uint8Array(3),
      buffer: new ArrayBuffer(2),
      big: 12n,
      call: (): number => 1,
      symbol: Symbol("a@b.com"),
      json: { toJSON: (): unknown => ({ token: "x", a: 1 }) },
    };
    expect(redactPayload(value)).toEqual({
      map: { password: "[REDACTED]", '{"id":1}': "[REDACTED_EMAIL]" },
      set: ["[REDACTED_EMAIL]", 1],
      date: "1970-01-01T00:00:00.000Z",
      never: "[INVALID DATE]",
      bytes: "[3 bytes]",
      buffer: "[2 bytes]",
      big: "12",
      call: "[function]",
      symbol: "[symbol]",
      json: { token: "[REDACTED]", a: 1 },
    });
  });

  test("errors with their causes, without their stacks", () => {
    const error = new AggregateError([new Error("ssn 123-45-6789")], "mail a@b.com", {
      cause: Object.assign(new TypeError("tel +15551234567"), { code: "E_X" }),
    });
    expect(redactPayload(error)).toEqual({
      name: "AggregateError",
      message: "mail [REDACTED_EMAIL]",
      cause: { name: "TypeError", message: "tel [REDACTED_PHONE]", code: "E_X" },
      errors: [{ name: "Error", message: "ssn [REDACTED_SSN]" }],
    });
  });

  test("JSON inside strings, inside strings; untouched when nothing had to go", () => {
    const inner = JSON.stringify({ token: "t", list: ["a@b.com"] });
    const outer = JSON.stringify({ body: inner });
    expect(redactPayload({ text: outer })).toEqual({
      text: JSON.stringify({ body: JSON.stringify({ token: "[REDACTED]", list: ["[REDACTED_EMAIL]"] }) }),
    });
    const harmless = '{ "n": 1.0, "big": 12345678901234567890 }';
    expect(redactPayload(harmless)).toBe(harmless);
    expect(redactPayload('{"password": "x", broken')).toBe('{"password": "[REDACTED]", broken');
  });
});

describe("whatever it is given", () => {
  const throwing = (): never => {
    throw new Error("trap");
  };

  test("cycles and depth end, and one object twice is no cycle", () => {
    const shared = { a: 1 };
    const ring: { [name: string]: unknown } = { shared, again: shared };
    ring.self = ring;
    ring.list = [ring];
    expect(redactPayload(ring)).toEqual({ shared, again: shared, self: "[CIRCULAR]", list: ["[CIRCULAR]"] });
    const cause = new Error("a");
    cause.cause = cause;
    expect(redactPayload(cause)).toMatchObject({ cause: "[CIRCULAR]" });
    let deep: unknown = "a@b.com";
    for (let i = 0; i < 100_000; i++) deep = [deep];
    expect(JSON.stringify(redactPayload(deep))).toContain("[TRUNCATED]");
    expect(redactPayload(`${"[".repeat(50_000)}"a@b.com"${"]".repeat(50_000)}`)).not.toContain("a@b.com");
  });

  test("getters, proxies and methods that throw spoil only themselves", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const value = {
      a: 1,
      get b(): number {
        return throwing();
      },
      c: proxy,
      d: { toJSON: throwing },
      e: new Proxy({}, { ownKeys: throwing }),
    };
    expect(redactPayload(value)).toEqual({ a: 1, b: "[UNREADABLE]", c: "[UNREADABLE]", d: "[UNREADABLE]", e: "[UNREADABLE]" });
    expect(redactPayload(proxy)).toBe("[UNREADABLE]");
  });

  test("a list that claims to be endless is cut", () => {
    const endless = Object.assign([], { length: 2 ** 32 - 1 });
    const safe = redactPayload(endless) as unknown[];
    expect(safe.length).toBeLessThan(300_000);
    expect(safe.at(-1)).toBe("[TRUNCATED]");
  });

  test("no prototype is reached", () => {
    const safe = redactPayload(JSON.parse('{"__proto__":{"admin":true},"a":1}')) as object;
    expect(Object.getPrototypeOf(safe)).toBe(Object.prototype);
    expect(Object.keys(safe)).toEqual(["__proto__", "a"]);
  });

  test("never throws, never changes what it was given, lets no canary through", () => {
    const canary = "canary@mail.example.com";
    const leaf = fc.oneof(
      fc.anything({ withDate: true, withMap: true, withSet: true, withBigInt: true, withSparseArray: true }),
      fc.constant(canary),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.array(leaf)), (value) => {
        const safe = redactPayload(value);
        expect(JSON.stringify(safe) ?? "").not.toContain(canary);
      }),
    );
    const frozen = Object.freeze({ password: "x", list: Object.freeze([canary]) });
    redactPayload(frozen);
    expect(frozen).toEqual({ password: "x", list: [canary] });
  });
});
