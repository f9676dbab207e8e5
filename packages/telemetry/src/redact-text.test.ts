import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { luhn } from "./card-number.ts";
import { redactPii } from "./redact-text.ts";

describe("found and replaced", () => {
  test.each([
    ["user@example.com", "[REDACTED_EMAIL]"],
    ["Mail a.b+tag@sub.example.co.uk, please.", "Mail [REDACTED_EMAIL], please."],
    ["<a@b.com>,c@d.org;e@f.net", "<[REDACTED_EMAIL]>,[REDACTED_EMAIL];[REDACTED_EMAIL]"],
    ["?email=a@b.com&x=1", "?email=[REDACTED_EMAIL]&x=1"],
    ["/users/user%40example.com/profile", "/users/[REDACTED_EMAIL]/profile"],
    ["o'brien@example.com and 'a@b.com'", "[REDACTED_EMAIL] and '[REDACTED_EMAIL]'"],
    ['"john doe"@example.com', "[REDACTED_EMAIL]"],
    ["müller@exämple.de", "[REDACTED_EMAIL]"],
    ["邮箱a@b.com，谢谢", "邮箱[REDACTED_EMAIL]，谢谢"],
    ["a@b.com@c.com", "[REDACTED_EMAIL]@c.com"],
  ])("e-mail: %s", (text, expected) => {
    expect(redactPii(text)).toBe(expected);
  });

  test.each([
    "555-123-4567",
    "(555) 123-4567",
    "(555)123-4567",
    "555.123.4567",
    "555 123 4567",
    "555\u00a0123\u20114567",
    "1-800-555-1234",
    "1 (555) 123-4567",
    "+1-555-123-4567",
    "+1 (555) 123-4567",
    "+15551234567",
    "+44 20 7946 0958",
    "+49 (0)30 123456",
    "+33 6 12 34 56 78",
    "+86 138 0013 8000",
    "030 123456789",
    "030/123456",
    "06 12 34 56 78",
    "06.12.34.56.78",
    "0049 30 123456",
    "138-0013-8000",
    "(030) 1234567",
  ])("phone: %s", (number) => {
    expect(redactPii(number)).toBe("[REDACTED_PHONE]");
    expect(redactPii(`Call ${number}, or at 10 ${number}!`)).toMatch(/^Call \[REDACTED_PHONE\], or at 10 \S*!$/);
  });

  test("a bare run of digits is a phone where a word says so", () => {
    expect(redactPii("tel:5551234567, mobile 015112345678, phone_number=5551234567")).toBe(
      "tel:[REDACTED_PHONE], mobile [REDACTED_PHONE], phone_number=[REDACTED_PHONE]",
    );
  });

  test.each([
    "4111111111111111",
    "4111-1111-1111-1111",
    "4111 1111 1111 1111",
    "4111\u00a01111\u00a01111\u00a01111",
    "1234-5678-9012-3456",
    "1234 5678 9012 3456",
    "5500 0055 5555 5559",
    "378282246310005",
    "3782 822463 10005",
    "30569309025904",
    "6011111111111117",
    "3530111333300000",
    "4222222222222",
    "6304000000000000000",
    "1234567812345670",
  ])("card: %s", (number) => {
    expect(redactPii(number)).toBe("[REDACTED_CC]");
    expect(redactPii(`card=${number}. Thanks`)).toBe("card=[REDACTED_CC]. Thanks");
  });

  test("social security number", () => {
    expect(redactPii("ssn is 123-45-6789.")).toBe("ssn is [REDACTED_SSN].");
  });

  test.each([
    ["sent Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgR8U", "sent Bearer eyJh...R8U"],
    ["got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgR8U back", "got eyJh...R8U back"],
    ["Authorization: Bearer abc", "Authorization: Bearer ***"],
    ["authorization=Basic dXNlcjpwYXNzd29yZA==", "authorization=Basic dXNl...A=="],
    ["Cookie: sid=1; theme=dark\nHost: x", "Cookie: [REDACTED]\nHost: x"],
    ["password=hunter2 next", "password=[REDACTED] next"],
    ['{"password": "hun ter2", "a": 1', '{"password": "[REDACTED]", "a": 1'],
    ['"{\\"token\\":\\"abc\\",\\"a\\":1}"', '"{\\"token\\":\\"[REDACTED]\\",\\"a\\":1}"'],
    ["https://x/y?access_token=abc&b=1", "https://x/y?access_token=[REDACTED]&b=1"],
    ["x-api-key: foo, clientSecret='bar baz'", "x-api-key: [REDACTED], clientSecret='[REDACTED]'"],
  ])("secret: %s", (text, expected) => {
    expect(redactPii(text)).toBe(expected);
  });
});

describe("left alone", () => {
  test.each([
    "550e8400-e29b-41d4-a716-446655440000",
    "12345678-1234-4123-8123-123456789012",
    "01234567-1234-4123-8123-123456789012",
    "550E8400-E29B-41D4-A716-446655440000",
    "2025-01-15T10:00:00.000Z",
    "2025-01-15 10:00:00",
    "2025-01-15T10:00:00.123456+02:00",
    "01/15/2025 10:30",
    "15.01.2025",
    "1736935200",
    // These pass a card's check: only their dates tell them from cards.
    "1736935200004",
    "1736935200000004",
    "1736935200000000004",
    "20250115100007",
    "20250115100000125",
    "1.2.3",
    "10.20.300-beta.1",
    "v2025.11.22",
    "guardian-sync@1.2.3",
    "@scope/package@1.0.0",
    "9007199254740991",
    "4294967296",
    "1073741824",
    "3.14159265358979",
    "0.4111111111111111",
    "4111111111111111.5",
    "-1234567.89",
    "+1234567.89",
    "1e+21",
    "192.168.100.200:8080",
    "10 50 100 250 500 1000 2500 5000",
    "250 500 1000 2500 5000",
    "50 100 250 500 1000",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "10:00:00+0200",
    "f(2025) 100-2000",
    "1 234 567 890",
    "txn_token: txn-550e8400-e29b-41d4-a716-446655440000",
    "next_page_token=abc",
    "invalid token",
    "the bearer token is missing, basic settings apply",
    "RATE_LIMITED 429: the server asked to wait 120 s",
    "operation 12 of 300 took 4500 ms (p95 > 5000)",
    "",
  ])("%s", (text) => {
    expect(redactPii(text)).toBe(text);
    expect(redactPii(`value ${text}, done`)).toBe(`value ${text}, done`);
  });

  test("ids, times, versions and figures of every size, wherever they stand", () => {
    const figure = fc.oneof(
      fc.uuid(),
      fc.date({ min: new Date(0), max: new Date("2100-01-01"), noInvalidDate: true }).map((date) => date.toISOString()),
      fc.date({ min: new Date("2016-01-01"), max: new Date("2034-01-01"), noInvalidDate: true }).map((date) => String(date.getTime())),
      fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99)).map((parts) => parts.join(".")),
      // One that happens to pass a card's check cannot be told from a card.
      fc
        .maxSafeNat()
        .map(String)
        .filter((text) => text.length < 13 || !luhn(text)),
      // Thirteen digits and more that pass the check of a card are taken for one, whatever they were meant to be.
      fc
        .double({ noNaN: true, noDefaultInfinity: true })
        .map(String)
        .filter((text) => !/\d{13}/.test(text)),
    );
    fc.assert(
      fc.property(figure, fc.constantFrom(" ", "=", ":", ",", "(", "\t", '"', "["), (text, before) => {
        expect(redactPii(`took${before}${text}, done`)).toBe(`took${before}${text}, done`);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("whatever it is given", () => {
  test("what is personal is gone, in any surroundings", () => {
    const canaries = [
      "canary.7f3a@mail.example.com",
      "+1 555 867 5309",
      "(555) 867-5309",
      "4012-8888-8888-1881",
      "4012888888881881",
      "987-65-4320",
    ];
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.constantFrom(...canaries), fc.string({ unit: "binary" }), (before, canary, after) => {
        const text = `${before} <${canary}> ${after}`;
        expect(redactPii(text)).not.toContain(canary);
      }),
      { numRuns: 1000 },
    );
  });

  test("once is enough", () => {
    const pieces = fc.constantFrom(
      "a@b.com",
      "token=",
      "Bearer abc123",
      "555-123-4567",
      "4111 1111",
      "'",
      '"',
      " ",
      "123-45-6789",
      "[REDACTED]",
      ":",
      "x",
    );
    fc.assert(
      fc.property(fc.array(pieces), (parts) => {
        const first = redactPii(parts.join("; "));
        expect(redactPii(first)).toBe(first);
      }),
      { numRuns: 2000 },
    );
  });

  test("what is not a text is an empty one", () => {
    expect(redactPii(undefined as unknown as string)).toBe("");
  });
});

// prettier-ignore
const HOSTILE: readonly string[] = [
  "a",
  "1",
  "1 ",
  "11 ",
  "01 ",
  "00 ",
  "0",
  "123-",
  "1 555 123 ",
  "41111 ",
  "4111",
  "4111 1111 1111 ",
  "+",
  "+1",
  "(",
  "(1",
  "(1)",
  "((",
  "@",
  "a@",
  "a@b",
  "a@b.",
  "a.",
  "%40",
  "a%40",
  "eyJ",
  "eyJa.",
  "eyJaaaaa.",
  "Bearer ",
  "Bearer   ",
  "=",
  "a=",
  "token=",
  'token="',
  "token='",
  '\\"token\\":\\"',
  "password: ",
  "cookie:",
  "authorization: ",
  ":::",
  "aaan=",
  "1-",
  "1.",
  "1/",
  "123-45-",
  "{",
  '{"a":',
  "550e8400-e29b-41d4-a716-",
  "2025-01-15 ",
  "phone 5551234567 ",
  "\u00e9@",
  '"@',
  '"a"@',
  "a@a.a.",
  "a-@",
  "Basic ",
];

describe("time in proportion to the text", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  // Counted, not timed: every walk over a text reads it by charCodeAt.
  test.each(HOSTILE)("%j again and again: each character is looked at a bounded number of times", (pattern) => {
    const text = pattern.repeat(Math.ceil(4000 / pattern.length));
    const looks = vi.spyOn(String.prototype, "charCodeAt");
    redactPii(text);
    expect(looks.mock.calls.length).toBeLessThan(80 * text.length);
  });

  // What the regular expressions do cannot be counted; were they quadratic, this would not end before its time is up.
  test("a megabyte of each is no trouble", () => {
    for (const pattern of HOSTILE) expect(redactPii(pattern.repeat(Math.ceil(400_000 / pattern.length))).length).toBeGreaterThan(0);
  }, 20_000);
});
