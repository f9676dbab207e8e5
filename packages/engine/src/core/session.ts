import { type EpochMs, isJsonObject, SyncError } from "@guardian-sync/protocol";
import { textOfBase64Url } from "./base64url.ts";

/** Who made an operation: the queue, snapshots, cursor and client id are kept apart by it. */
export interface Account {
  /** The unit of order and permission; by default one per tenant. */
  readonly space: string;
  readonly principal: string;
}

/** A sign-in, as the app's `session` function returns it. An expired one still names its account. */
export interface Session {
  readonly account: Account;
  readonly token: string;
  /** Epoch ms; absent: unknown, the server's 401 decides. */
  readonly expiresAt?: EpochMs | number;
}

/** A token is renewed this long before its end: it must not expire on the way. */
const EXPIRY_MARGIN_MS = 60_000;

/** Whether the token ends within a minute, or has ended. */
export function isExpiring(session: Session, now: EpochMs): boolean {
  return session.expiresAt !== undefined && session.expiresAt - now <= EXPIRY_MARGIN_MS;
}

export function sameAccount(a: Account, b: Account): boolean {
  return a.space === b.space && a.principal === b.principal;
}

/** Tokens longer than any header allows are not read. */
const MAX_TOKEN_CHARS = 65_536;
/** Of a token that names neither tenant nor issuer. */
const DEFAULT_SPACE = "default";

/**
 * The session that a JWT describes: principal from `sub`, space from `tenant` (without one from `iss`, because two issuers
 * may each have a user 1), end from `exp`. Nothing is verified: the server does that, and the handshake compares the account.
 * @throws SyncError `OPAQUE_TOKEN` if the token is not a JWT, or does not say who it is for.
 */
export function sessionFromJwt(token: string): Session {
  const claims = claimsOf(token);
  if (claims === undefined) throw opaque("the token is not a JWT, so it does not say who is signed in");
  const { iss, sub, tenant, exp } = claims;
  if (typeof sub !== "string" || sub === "") throw opaque("the JWT has no claim `sub`, so it does not say who is signed in");
  const space = [tenant, iss].find((claim) => typeof claim === "string" && claim !== "") as string | undefined;
  const expiresAt = typeof exp === "number" && Number.isFinite(exp) ? { expiresAt: Math.floor(exp * 1000) } : {};
  return { account: { space: space ?? DEFAULT_SPACE, principal: sub }, token, ...expiresAt };
}

function claimsOf(token: string): { readonly [claim: string]: unknown } | undefined {
  const parts = token.length > MAX_TOKEN_CHARS ? [] : token.split(".");
  const text = parts.length === 3 ? textOfBase64Url(parts[1] as string) : undefined;
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function opaque(what: string): SyncError {
  return new SyncError(
    "OPAQUE_TOKEN",
    `backend.getToken: ${what}. Give backend.session instead: a function that returns { account: { space, principal }, token, expiresAt }.`,
  );
}
