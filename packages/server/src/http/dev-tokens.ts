/**
 * Tokens for development: whoever asks gets one, for any principal. Never to be reachable from outside of the machine. They are
 * ordinary JWTs, so a client behaves as it will with real ones.
 */
import { type EpochMs, formatIso, isJsonObject, type Json } from "@guardian-sync/protocol";
import { jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { forbidden, invalid, RequestRefused } from "../core/refusal.ts";
import type { Authenticator, Session } from "../ports.ts";
import { bearerOf } from "./bearer.ts";

export interface DevTokenOptions {
  /** At least 32 characters; tokens of another secret are refused. */
  readonly secret: string;
  readonly clock?: { now(): EpochMs };
  /** Also for callers from other machines, or whose address is unknown. For containers on a developer's desk, never for more. */
  readonly anyAddress?: boolean;
}

const ISSUER = "guardian-sync-dev";
const DEFAULT_TTL_S = 3600;
const REFRESH_TTL_S = 30 * 86_400;
const ROLES = z.array(z.string().max(64)).max(20);

const DevTokenRequest = z.object({
  principal: z.string().min(1).max(255),
  tenant: z.string().min(1).max(255),
  expires_in_s: z.number().int().min(1).max(86_400).optional(),
  roles: ROLES.optional(),
});
const RefreshRequest = z.object({ refresh_token: z.string().min(1).max(4096) });
const Claims = z.object({
  sub: z.string().min(1),
  tenant: z.string().min(1),
  use: z.enum(["access", "refresh"]),
  roles: ROLES,
  ttl: z.number(),
});

/** Adds `POST /api/v1/auth/dev-token` and `/api/v1/auth/refresh`. */
export function devTokens(options: DevTokenOptions): Authenticator {
  if (typeof options.secret !== "string" || options.secret.length < 32)
    throw new TypeError("devTokens: secret must have at least 32 characters");
  const key = new TextEncoder().encode(options.secret);
  const now = (): EpochMs => options.clock?.now() ?? (Date.now() as EpochMs);

  const sign = (claims: z.infer<typeof Claims>, ttlS: number): Promise<string> => {
    const issuedAt = Math.floor(now() / 1000);
    const { sub, ...rest } = claims;
    const token = new SignJWT(rest).setProtectedHeader({ alg: "HS256", typ: "JWT" }).setIssuer(ISSUER).setSubject(sub);
    return token
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + ttlS)
      .sign(key);
  };
  const issue = async (session: Session, ttlS: number): Promise<Json> => {
    const claims = { sub: session.principal, tenant: session.space, roles: [...session.roles], ttl: ttlS };
    return {
      token: await sign({ ...claims, use: "access" }, ttlS),
      refresh_token: await sign({ ...claims, use: "refresh" }, REFRESH_TTL_S),
      expires_at: formatIso((Math.floor(now() / 1000 + ttlS) * 1000) as EpochMs),
    };
  };
  const verify = async (token: string, use: "access" | "refresh"): Promise<(Session & { readonly ttl: number }) | null> => {
    try {
      const { payload } = await jwtVerify(token, key, { algorithms: ["HS256"], issuer: ISSUER, currentDate: new Date(now()) });
      const claims = Claims.parse(payload);
      return claims.use === use ? { principal: claims.sub, space: claims.tenant, roles: claims.roles, ttl: claims.ttl } : null;
    } catch {
      return null;
    }
  };

  return {
    authenticate: async (request) => {
      const token = bearerOf(request);
      const session = token === null ? null : await verify(token, "access");
      return session === null ? null : { principal: session.principal, space: session.space, roles: session.roles };
    },
    routes: [
      {
        method: "POST",
        path: "/api/v1/auth/dev-token",
        handle: async (payload, { remoteAddress }) => {
          if (options.anyAddress !== true && !isLoopback(remoteAddress)) throw new RequestRefused(forbidden(LOOPBACK_ONLY));
          const { principal, tenant, expires_in_s, roles = [] } = read(DevTokenRequest, payload);
          return await issue({ principal, space: tenant, roles }, expires_in_s ?? DEFAULT_TTL_S);
        },
      },
      {
        method: "POST",
        path: "/api/v1/auth/refresh",
        handle: async (payload) => {
          const session = await verify(read(RefreshRequest, payload).refresh_token, "refresh");
          if (session !== null) return await issue(session, session.ttl);
          throw new RequestRefused({ status: 401, code: "UNAUTHORIZED", message: "the refresh token is not valid; sign in again" });
        },
      },
    ],
  };
}

const LOOPBACK_ONLY = "development tokens are for this machine only; set anyAddress to hand them out to others";

function isLoopback(address: string | null): boolean {
  return address !== null && (address === "::1" || /^(?:::ffff:)?127\.\d+\.\d+\.\d+$/.test(address));
}

function read<T>(schema: z.ZodType<T>, payload: Json): T {
  const parsed = schema.safeParse(isJsonObject(payload) ? payload : {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".") ?? "";
  throw new RequestRefused(invalid(field, issue?.code ?? "invalid", `${field}: ${issue?.message ?? "invalid"}`, 400));
}
