import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { redactError, secureReporter } from "./error-report.ts";
import { maskToken } from "./mask-token.ts";
import type { ErrorContext } from "./port.ts";
import { safeJsonParse, safeJsonStringify } from "./safe-json.ts";
import { createSafeRequestLog, createSafeResponseLog } from "./safe-log.ts";
import { sanitizePath } from "./sanitize-path.ts";
import { certificatePinWarnings, isTlsEnabled, isValidIdempotencyKey, validateCertificatePins } from "./security-checks.ts";

const JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";

describe("tokens", () => {
  test.each([
    [JWT, "eyJh...R8U"],
    [`Bearer ${JWT}`, "Bearer eyJh...R8U"],
    ["Basic dXNlcjpwYXNz", "Basic dXNl...XNz"],
    ["Bearer short", "Bearer ***"],
    ["12345678", "***"],
    ["123456789", "1234...789"],
    ["", "***"],
    ["  ", "***"],
  ])("%.20s… is masked", (token, masked) => {
    expect(maskToken(token)).toBe(masked);
  });
});

describe("paths", () => {
  test.each([
    ["/api/v1/users/550e8400-e29b-41d4-a716-446655440000/profile", "/api/v1/users/{uuid}/profile"],
    ["/api/v1/users/550E8400-E29B-41D4-A716-446655440000", "/api/v1/users/{uuid}"],
    ["/api/v1/users/123/profile", "/api/v1/users/{id}/profile"],
    ["/api/v1/sync/changes?cursor=abc123&limit=5#top", "/api/v1/sync/changes?cursor&limit"],
    ["/api/v1/users/a@b.com", "/api/v1/users/[REDACTED_EMAIL]"],
    ["/api/v1/users/a%40b.com", "/api/v1/users/[REDACTED_EMAIL]"],
    [`/reset/${JWT}`, "/reset/eyJh...R8U"],
    ["/invite/Zm9vYmFyYmF6cXV4MTIz", "/invite/{opaque}"],
    ["https://user:pw@example.com:8080/a/1?x=2", "https://example.com:8080/a/{id}?x"],
    ["/a?a@b.com=1&=2&", "/a?[REDACTED_EMAIL]"],
    ["/a/%E0%A4%A", "/a/%E0%A4%A"],
    ["", ""],
    ["/", "/"],
  ])("%s", (path, safe) => {
    expect(sanitizePath(path)).toBe(safe);
  });

  test("never throws, and never shows a query value", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(sanitizePath(`/a?q=canary${text.replaceAll(/[&#]/g, "")}`)).not.toContain("canary");
        sanitizePath(text);
      }),
    );
    expect(sanitizePath(undefined as unknown as string)).toBe("");
  });
});

describe("request and response lines", () => {
  test("a request: method, path, masked headers, redacted body", () => {
    const line = createSafeRequestLog({
      method: "POST",
      path: "/api/v1/users/123/profile",
      headers: {
        Authorization: `Bearer ${JWT}`,
        Cookie: "sid=1",
        "X-Api-Key": "k",
        "X-App-Version": "1.0.0",
        "Idempotency-Key": "9b2f6c1e-0f4d-4c8a-9b57-2a6e4d1c7f30",
      },
      body: { email: "user@example.com", password: "secret" },
    });
    expect(line).toBe(
      "HTTP POST /api/v1/users/{id}/profile | Headers: {Authorization: Bearer eyJh...R8U, Cookie: [REDACTED], X-Api-Key: [REDACTED], X-App-Version: 1.0.0, Idempotency-Key: 9b2f6c1e-0f4d-4c8a-9b57-2a6e4d1c7f30}" +
        ' | Body: {"email":"[REDACTED_EMAIL]","password":"[REDACTED]"}',
    );
    expect(createSafeRequestLog({ method: "GET", path: "/a" })).toBe("HTTP GET /a | Headers: {} | Body: null");
  });

  test("a response: JSON or not, redacted before it is cut at 1000 characters", () => {
    const json = createSafeResponseLog({
      status: 200,
      headers: { "Set-Cookie": "session=abc123", Location: "/users/7?token=x" },
      body: '{"user":{"email":"user@example.com"}}',
    });
    expect(json).toBe(
      'HTTP 200 | Headers: {Set-Cookie: [REDACTED], Location: /users/{id}?token} | Body: {"user":{"email":"[REDACTED_EMAIL]"}}',
    );
    const long = createSafeResponseLog({ status: 502, body: `${"x".repeat(990)} a@b.com ${"y".repeat(5000)}` });
    expect(long).toMatch(/Body: x{990} \[REDACTED… \(\d+ characters\)$/);
    expect(createSafeResponseLog({ status: 204 })).toBe("HTTP 204 | Headers: {} | Body: ");
  });

  test("a body that cannot be shown is still a line", () => {
    const ring: { self?: unknown } = {};
    ring.self = ring;
    expect(createSafeRequestLog({ method: "POST", path: "/", body: ring })).toContain('Body: {"self":"[CIRCULAR]"}');
    expect(createSafeRequestLog({ method: "POST", path: "/", body: "password=x" })).toContain("Body: password=[REDACTED]");
  });
});

test("JSON without exceptions", () => {
  expect(safeJsonParse('{"a":1}')).toEqual({ a: 1 });
  expect(safeJsonParse("{")).toBeUndefined();
  expect(safeJsonStringify({ token: "x", n: 1n })).toBe('{"token":"[REDACTED]","n":"1"}');
  expect(safeJsonStringify(undefined)).toBe("null");
});

describe("error reports", () => {
  test("leave as a redacted copy with the last twenty breadcrumbs", () => {
    const seen: [unknown, ErrorContext][] = [];
    const report = secureReporter((error, context) => seen.push([error, context]));
    const error = Object.assign(new TypeError("mail a@b.com", { cause: new Error("Bearer a1") }), { code: "ENGINE_FAULT" });
    report(error, {
      code: "ENGINE_FAULT",
      trace_id: "5d0a2c7b-4e19-4f6d-8a3c-71b9e2d40c58",
      breadcrumbs: [...Array.from({ length: 30 }, (_, i) => `step ${i}`), "to a@b.com"],
    });
    const [[copy, context]] = seen as [[Error & { code: string }, ErrorContext]];
    expect(copy).not.toBe(error);
    expect([copy.name, copy.message, copy.code, (copy.cause as Error).message]).toEqual([
      "TypeError",
      "mail [REDACTED_EMAIL]",
      "ENGINE_FAULT",
      "Bearer ***",
    ]);
    expect(copy.stack).toContain("mail [REDACTED_EMAIL]");
    expect(context.breadcrumbs).toHaveLength(20);
    expect(context.breadcrumbs?.at(-1)).toBe("to [REDACTED_EMAIL]");
    expect(context.trace_id).toBe("5d0a2c7b-4e19-4f6d-8a3c-71b9e2d40c58");
    expect(error.message).toBe("mail a@b.com");
  });

  test("a reporter that throws harms nobody; what is thrown need not be an error; causes end", () => {
    const broken = secureReporter(() => {
      throw new Error("no network");
    });
    expect(() => broken(new Error("x"), {})).not.toThrow();
    expect(redactError("a@b.com").message).toBe("[REDACTED_EMAIL]");
    expect(redactError({ secret: 1 }).message).toBe("thrown: object");
    const ring = new Error("a");
    ring.cause = ring;
    expect(() => redactError(ring)).not.toThrow();
  });
});

describe("checks", () => {
  test("idempotency keys", () => {
    expect(isValidIdempotencyKey("550e8400-e29b-41d4-a716-446655440000")).toBe(true);
    for (const value of ["invalid", "", null, 5, "019a7c3e-8f00-7a10-8c2d-3f5b9e6d1a01"]) expect(isValidIdempotencyKey(value)).toBe(false);
  });

  test("TLS", () => {
    for (const url of ["https://api.example.com", "wss://x", "HTTPS://X/y"]) expect(isTlsEnabled(url)).toBe(true);
    for (const url of ["http://api.example.com", "ws://x", "https://", "https:/x", "ftp://x", "x?https://y", ""])
      expect(isTlsEnabled(url)).toBe(false);
  });

  test("pins are sha256/ and 32 bytes of base64", () => {
    const pin = `sha256/${"A".repeat(43)}=`;
    const backup = `sha256/${"B".repeat(42)}E=`;
    expect(validateCertificatePins([pin, backup])).toBe(true);
    for (const bad of [
      "",
      "A".repeat(43),
      `sha1/${"A".repeat(43)}=`,
      `sha256/${"A".repeat(42)}=`,
      `sha256/${"A".repeat(44)}`,
      `sha256/${"A".repeat(42)}B=`,
      `sha256/${"-".repeat(43)}=`,
    ])
      expect(validateCertificatePins([pin, bad])).toBe(false);
    expect(validateCertificatePins([])).toBe(false);
    expect(certificatePinWarnings([pin, backup])).toEqual([]);
    expect(certificatePinWarnings([pin])).toHaveLength(1);
    expect(certificatePinWarnings([pin, pin])).toHaveLength(2);
  });
});
