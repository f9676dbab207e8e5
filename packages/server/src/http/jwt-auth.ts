/** Sessions from JWTs that an identity provider signs. Algorithm, issuer and audience are pinned; nothing is taken from the token's header. */
import { createRemoteJWKSet, type CryptoKey, type JWK, type JWTPayload, type JWTVerifyGetKey, importJWK, jwtVerify } from "jose";
import type { Authenticate, Session } from "../ports.ts";
import { bearerOf } from "./bearer.ts";

type Key = CryptoKey | Uint8Array | JWK;

export interface JwtAuthOptions {
  readonly issuer: string;
  readonly audience: string;
  /** For example `["RS256"]`. Never `none`. */
  readonly algorithms: readonly string[];
  /** Where the issuer publishes its keys (https), or the set itself as a function of jose. */
  readonly jwks?: string | URL | JWTVerifyGetKey;
  /** One fixed key instead: a secret for HS*, a public key for the others. */
  readonly key?: Key;
  /** Tolerated between the issuer's clock and this one. Default 30 s. */
  readonly clockToleranceS?: number;
  /** Default: claims `sub`, `tenant`, `roles`. Null: no session. */
  readonly session?: (claims: JWTPayload) => Session | null;
  readonly clock?: { now(): number };
}

const ALGORITHMS = [
  "HS256",
  "HS384",
  "HS512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];

/** @throws TypeError that names the option. */
export function jwtAuth(options: JwtAuthOptions): Authenticate {
  const { issuer, audience, algorithms, clockToleranceS = 30, session = sessionOf, clock } = options;
  if (typeof issuer !== "string" || issuer === "") throw new TypeError("jwtAuth: issuer must be a string");
  if (typeof audience !== "string" || audience === "") throw new TypeError("jwtAuth: audience must be a string");
  const unknown = Array.isArray(algorithms) ? algorithms.find((name) => !ALGORITHMS.includes(name)) : undefined;
  if (!Array.isArray(algorithms) || algorithms.length === 0 || unknown !== undefined) {
    throw new TypeError(`jwtAuth: algorithms must name some of ${ALGORITHMS.join(", ")}; got ${JSON.stringify(unknown ?? algorithms)}`);
  }
  // Together they would let a token signed with the public key as if it were a secret pass.
  const symmetric = algorithms.filter((name) => name.startsWith("HS")).length;
  if (symmetric !== 0 && symmetric !== algorithms.length) throw new TypeError("jwtAuth: algorithms must not mix HS* with others");
  const keyOf = keySource(options);
  const pinned = { issuer, audience, algorithms: [...algorithms], clockTolerance: clockToleranceS, requiredClaims: ["exp"] };
  return async (request) => {
    const token = bearerOf(request);
    if (token === null) return null;
    try {
      const when = clock === undefined ? {} : { currentDate: new Date(clock.now()) };
      const { payload } = await jwtVerify(token, keyOf, { ...pinned, ...when });
      return session(payload);
    } catch {
      // Expired, forged, foreign: the caller learns only that it is not enough.
      return null;
    }
  };
}

function keySource({ jwks, key, algorithms }: JwtAuthOptions): JWTVerifyGetKey {
  if ((jwks === undefined) === (key === undefined)) throw new TypeError("jwtAuth: give either jwks or key");
  if (typeof jwks === "function") return jwks;
  if (jwks !== undefined) {
    const url = new URL(jwks);
    const isLoopback = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
    if (url.protocol !== "https:" && !isLoopback) throw new TypeError(`jwtAuth: jwks must be an https address, got ${url.protocol}`);
    return createRemoteJWKSet(url);
  }
  const fixed = key as Key;
  const isJwk = !(fixed instanceof Uint8Array) && "kty" in fixed;
  const imported = isJwk ? importJWK(fixed, algorithms[0]) : Promise.resolve(fixed as CryptoKey | Uint8Array);
  // A key that cannot be read is told by the first request, as 401, and must not end the process.
  imported.catch(() => {});
  return () => imported;
}

function sessionOf(claims: JWTPayload): Session | null {
  const { sub, tenant, roles } = claims;
  if (typeof sub !== "string" || sub === "" || typeof tenant !== "string" || tenant === "") return null;
  return { principal: sub, space: tenant, roles: Array.isArray(roles) ? roles.filter((role) => typeof role === "string") : [] };
}
