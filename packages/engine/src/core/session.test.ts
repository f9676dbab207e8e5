import type { EpochMs } from "@guardian-sync/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { textOfBase64Url } from "./base64url.ts";
import { isExpiring, sameAccount, sessionFromJwt } from "./session.ts";

const encode = (text: string): string => Buffer.from(text, "utf8").toString("base64url");
const jwt = (claims: unknown): string =>
  `${encode('{"alg":"HS256"}')}.${encode(typeof claims === "string" ? claims : JSON.stringify(claims))}.c2ln`;

describe("session from a JWT", () => {
  test("A5 names its account", () => {
    const token = jwt({ iss: "https://id.example", sub: "user-1", tenant: "acme", exp: 1_700_000_000 });
    expect(sessionFromJwt(token)).toEqual({ account: { space: "acme", principal: "user-1" }, token, expiresAt: 1_700_000_000_000 });
  });
  test("A5 without a tenant users of two issuers are still two", () => {
    expect(sessionFromJwt(jwt({ iss: "https://id.example", sub: "1" })).account).toEqual({ space: "https://id.example", principal: "1" });
    expect(sessionFromJwt(jwt({ sub: "Zoë 😀" })).account).toEqual({ space: "default", principal: "Zoë 😀" });
    expect(sessionFromJwt(jwt({ sub: "u", tenant: 7, exp: "soon" }))).toEqual({
      account: { space: "default", principal: "u" },
      token: jwt({ sub: "u", tenant: 7, exp: "soon" }),
    });
  });
  test.each([
    "",
    "opaque",
    "a.b",
    "a.b.c.d",
    jwt("not json"),
    jwt("[]"),
    jwt("null"),
    jwt({}),
    jwt({ sub: "" }),
    jwt({ sub: 5 }),
    "a.%%%.c",
    `a.${encode("x").repeat(50_000)}.c`,
  ])("A5 an opaque token is an error that says what to give instead", (token) => {
    expect(() => sessionFromJwt(token)).toThrow(
      expect.objectContaining({ code: "OPAQUE_TOKEN", message: expect.stringContaining("backend.session") }),
    );
  });
  test("E2 the error does not hold the token", () => {
    const secret = "sk-live-0123456789abcdef";
    try {
      sessionFromJwt(secret);
    } catch (error) {
      expect(String(error)).not.toContain(secret);
    }
  });
});

describe("expiry", () => {
  const session = { account: { space: "s", principal: "p" }, token: "t", expiresAt: 1_000_000 as EpochMs };
  test("R4 a token is renewed a minute before its end", () => {
    expect(isExpiring(session, 939_999 as EpochMs)).toBe(false);
    expect(isExpiring(session, 940_000 as EpochMs)).toBe(true);
    expect(isExpiring(session, 2_000_000 as EpochMs)).toBe(true);
  });
  test("R4 without a known end, the server decides", () => {
    const { expiresAt: _, ...open } = session;
    expect(isExpiring(open, 9e15 as EpochMs)).toBe(false);
  });
  test("A5 accounts are equal when both parts are", () => {
    expect(sameAccount({ space: "a", principal: "b" }, { space: "a", principal: "b" })).toBe(true);
    expect(sameAccount({ space: "a", principal: "b" }, { space: "ab", principal: "" })).toBe(false);
    expect(sameAccount({ space: "a", principal: "b" }, { space: "a", principal: "c" })).toBe(false);
  });
});

describe("base64url", () => {
  test("A5 reads what every encoder writes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        expect(textOfBase64Url(encode(text))).toBe(text.toWellFormed());
      }),
    );
  });
  test.each(["a+b/", "YQ==", "Y Q", "_-8", "gICA"])("A5 refuses what is no base64url of UTF-8: %s", (text) => {
    expect(textOfBase64Url(text)).toBeUndefined();
  });
});
