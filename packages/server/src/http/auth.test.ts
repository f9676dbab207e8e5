import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import type { PlainRequest } from "../ports.ts";
import { memoryStorage } from "../storage/memory.ts";
import { ContractWorld } from "../testing/contract-world.ts";
import { ManualTimer } from "../testing/manual-timer.ts";
import { devTokens } from "./dev-tokens.ts";
import { jwtAuth } from "./jwt-auth.ts";

const secret = "a secret of at least thirty-two characters";
const bearer = (token: string): PlainRequest => ({
  method: "GET",
  path: "/",
  query: {},
  headers: { authorization: `Bearer ${token}` },
  body: new Uint8Array(),
  remoteAddress: null,
});

describe("development tokens", () => {
  const timer = new ManualTimer();
  const world = new ContractWorld(memoryStorage(), { authenticate: devTokens({ secret, clock: timer }) });
  const ada = world.client();
  const ask = async (
    path: string,
    json: unknown,
    remoteAddress = "127.0.0.1",
  ): Promise<{ status: number; body: Record<string, string> }> => {
    const answer = await ada.send({
      method: "POST",
      path: `/api/v1/auth/${path}`,
      json,
      remoteAddress,
      headers: { authorization: "", "content-type": "application/json" },
    });
    return { status: answer.status, body: JSON.parse(answer.text) as Record<string, string> };
  };
  const statusWith = async (token = ""): Promise<number> =>
    (await ada.send({ path: "/api/v1/devices", headers: { authorization: `Bearer ${token}` } })).status;

  test("are given to whoever asks, expire, and are refreshed", async () => {
    const { status, body } = await ask("dev-token", { principal: "ada", tenant: "home", expires_in_s: 60 });
    expect(status).toBe(200);
    expect(body.expires_at).toBe(new Date(timer.now() + 60_000).toISOString());
    expect(await statusWith(body.token)).toBe(200);
    expect(await statusWith(body.refresh_token)).toBe(401);
    timer.advance(61_000);
    expect(await statusWith(body.token)).toBe(401);
    const refreshed = await ask("refresh", { refresh_token: body.refresh_token });
    expect(await statusWith(refreshed.body.token)).toBe(200);
    expect((await ask("refresh", { refresh_token: body.token })).status).toBe(401);
  });

  test("answer in the envelope to those who ask in it", async () => {
    const answer = await ada.send({
      method: "POST",
      path: "/api/v1/auth/dev-token",
      json: ada.envelope({ principal: "ada", tenant: "home" }),
      headers: { "content-type": "application/json" },
    });
    expect(await statusWith(String(answer.data?.token))).toBe(200);
  });

  test("are refused to other machines, and to requests that name nobody", async () => {
    expect((await ask("dev-token", { principal: "ada", tenant: "home" }, "10.0.0.9")).status).toBe(403);
    for (const body of [{}, { principal: "", tenant: "home" }, { principal: "ada", tenant: "home", expires_in_s: -1 }, []]) {
      expect((await ask("dev-token", body)).status).toBe(400);
    }
    expect((await ask("dev-token", { principal: "ada", tenant: "home" }, "::ffff:127.0.0.1")).status).toBe(200);
  });

  test("of another secret are not accepted, and a short secret is refused", async () => {
    const other = new ContractWorld(memoryStorage(), { authenticate: devTokens({ secret: `${secret}!`, clock: timer }) }).client();
    const { body } = await ask("dev-token", { principal: "ada", tenant: "home" });
    const answer = await other.send({ path: "/api/v1/devices", headers: { authorization: `Bearer ${body.token}` } });
    expect(answer.status).toBe(401);
    expect(() => devTokens({ secret: "short" })).toThrow("secret");
  });
});

describe("JWTs", async () => {
  const now = Date.UTC(2026, 0, 1);
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const stranger = await generateKeyPair("ES256");
  const options = { issuer: "https://id.example", audience: "sync", algorithms: ["ES256"], key: publicKey, clock: { now: () => now } };
  const authenticate = jwtAuth(options);
  interface Changes {
    readonly issuer?: string;
    readonly audience?: string;
    readonly expiresS?: number | null;
    readonly claims?: Record<string, unknown>;
    readonly key?: CryptoKey;
  }
  const token = async ({
    issuer = options.issuer,
    audience = "sync",
    expiresS = 60,
    claims = {},
    key = privateKey,
  }: Changes = {}): Promise<string> => {
    const jwt = new SignJWT({ sub: "ada", tenant: "home", roles: ["owner"], ...claims }).setProtectedHeader({ alg: "ES256" });
    jwt.setIssuer(issuer).setAudience(audience);
    if (expiresS !== null) jwt.setExpirationTime(now / 1000 + expiresS);
    return await jwt.sign(key);
  };

  test("of the pinned issuer name principal, space and roles", async () => {
    expect(await authenticate(bearer(await token()))).toEqual({ principal: "ada", space: "home", roles: ["owner"] });
  });

  test("that are expired, foreign, forged, without end or without tenant are refused", async () => {
    const bad = [
      await token({ expiresS: -31 }),
      await token({ expiresS: null }),
      await token({ issuer: "https://evil.example" }),
      await token({ audience: "other" }),
      await token({ key: stranger.privateKey }),
      await token({ claims: { tenant: 5 } }),
      await token({ claims: { sub: "" } }),
      `${await token()}x`,
      "x.y.z",
      "",
    ];
    for (const one of bad) expect(await authenticate(bearer(one))).toBeNull();
    expect(await authenticate(bearer(await token({ expiresS: -29 })))).not.toBeNull();
  });

  test("cannot choose their algorithm", async () => {
    const header = (alg: string): string => Buffer.from(JSON.stringify({ alg })).toString("base64url");
    const [, payload] = (await token()).split(".");
    expect(await authenticate(bearer(`${header("none")}.${payload}.`))).toBeNull();
    // The classic: the public key taken for an HMAC secret.
    const publicBytes = new TextEncoder().encode(JSON.stringify(await exportJWK(publicKey)));
    const confused = await new SignJWT({ sub: "ada", tenant: "home" })
      .setProtectedHeader({ alg: "HS256" })
      .setIssuer(options.issuer)
      .setAudience("sync")
      .setExpirationTime(now / 1000 + 60)
      .sign(publicBytes);
    expect(await authenticate(bearer(confused))).toBeNull();
  });

  test("are verified with a key as JWK, a set of keys, or a secret", async () => {
    const byJwk = jwtAuth({ ...options, key: await exportJWK(publicKey) });
    expect(await byJwk(bearer(await token()))).not.toBeNull();
    const { key: _, ...rest } = options;
    const bySet = jwtAuth({ ...rest, jwks: async () => publicKey });
    expect(await bySet(bearer(await token()))).not.toBeNull();
    const mapped = jwtAuth({ ...options, session: ({ sub }) => ({ principal: `${sub}!`, space: "all", roles: [] }) });
    expect(await mapped(bearer(await token()))).toMatchObject({ principal: "ada!", space: "all" });
  });

  test.each([
    [{ issuer: "" }, "issuer"],
    [{ audience: undefined }, "audience"],
    [{ algorithms: [] }, "algorithms"],
    [{ algorithms: ["none"] }, "algorithms"],
    [{ algorithms: ["HS256", "RS256"] }, "mix"],
    [{ key: undefined }, "jwks or key"],
    [{ jwks: "https://id.example/keys" }, "jwks or key"],
    [{ key: undefined, jwks: "http://id.example/keys" }, "https"],
  ])("a wrong option is named: %o", (wrong, named) => {
    expect(() => jwtAuth({ ...options, ...wrong } as never)).toThrow(named);
  });
});
