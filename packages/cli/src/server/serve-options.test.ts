import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../guardian.test.support.ts";
import { isLoopback, jwtOptionsOf, type ServeOptions } from "./serve-options.ts";

const base: ServeOptions = { port: 0, host: "127.0.0.1", data: "d" };
const jwt = { ...base, jwtIssuer: "https://id.example", jwtAudience: "home" };

describe("C2 who may sign in", () => {
  test("is nobody's guess: what is missing is named", () => {
    expect(() => jwtOptionsOf(base)).toThrow(/--jwt-issuer, --jwt-audience, --jwt-jwks.*--dev/);
    expect(() => jwtOptionsOf(jwt)).toThrow(/Missing: --jwt-jwks/);
    expect(() => jwtOptionsOf(base)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });

  test("is anybody in development, on this machine only", () => {
    expect(jwtOptionsOf({ ...base, dev: true })).toBeUndefined();
    expect(() => jwtOptionsOf({ ...base, dev: true, host: "0.0.0.0" })).toThrow(/this machine only/);
    expect(() => jwtOptionsOf({ ...jwt, dev: true })).toThrow(/exclude/);
  });

  test("is whoever the issuer's keys say, or one key", () => {
    using folder = temporaryFolder();
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder.path, name), text);
      return join(folder.path, name);
    };
    const jwks = "https://id.example/jwks.json";
    expect(jwtOptionsOf({ ...jwt, jwtJwks: jwks })).toEqual({ issuer: jwt.jwtIssuer, audience: "home", algorithms: ["RS256"], jwks });
    expect(jwtOptionsOf({ ...jwt, jwtJwks: jwks, jwtAlgorithms: "ES256, EdDSA" })?.algorithms).toEqual(["ES256", "EdDSA"]);
    expect(jwtOptionsOf({ ...jwt, jwtKeyFile: file("secret", "s".repeat(32)) })).toMatchObject({ algorithms: ["HS256"] });
    expect(jwtOptionsOf({ ...jwt, jwtKeyFile: file("key.json", '{"kty":"RSA"}') })).toMatchObject({
      key: { kty: "RSA" },
      algorithms: ["RS256"],
    });
    expect(() => jwtOptionsOf({ ...jwt, jwtKeyFile: file("short", "s") })).toThrow(/at least 32/);
    expect(() => jwtOptionsOf({ ...jwt, jwtKeyFile: file("bad.json", "{") })).toThrow(/no JSON/);
    expect(() => jwtOptionsOf({ ...jwt, jwtKeyFile: join(folder.path, "none") })).toThrow(/cannot be read \(ENOENT\)/);
  });
});

test("loopback is this machine, under any of its names", () => {
  expect(["localhost", "127.0.0.1", "127.9.9.9", "::1"].map(isLoopback)).toEqual([true, true, true, true]);
  expect(["0.0.0.0", "::", "192.168.1.1", "127.0.0.1.evil.example"].map(isLoopback)).toEqual([false, false, false, false]);
});
