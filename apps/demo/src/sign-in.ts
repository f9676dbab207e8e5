import type { Session } from "guardian-sync";
import { recall, remember } from "./remembered.ts";

const ACCOUNT: Session["account"] = { space: "home", principal: "ada" };
const VALID_FOR_S = 86_400;
/** Until the first token was had. The server refuses it, and then a real one is fetched. */
const NONE: Session = { account: ACCOUNT, token: "none" };

/**
 * Who is signed in: always Ada. The token is remembered, and one that cannot be renewed is still hers, so that the app opens, and
 * can be worked with, without a network.
 */
export function signInOf(device: string, call: typeof fetch): (request: { readonly force: boolean }) => Promise<Session> {
  const key = `demo-${device}-session`;
  return async ({ force }) => {
    const known = read(key);
    if (known !== undefined && !force) return known;
    try {
      const answer = await call("/api/v1/auth/dev-token", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ principal: ACCOUNT.principal, tenant: ACCOUNT.space, expires_in_s: VALID_FOR_S }),
      });
      if (!answer.ok) return known ?? NONE;
      const { token } = (await answer.json()) as { readonly token: string };
      // By this device's clock, which may be wrong: by the server's, a token could look expired for ever.
      const session: Session = { account: ACCOUNT, token, expiresAt: Date.now() + VALID_FOR_S * 1000 };
      remember(key, JSON.stringify(session));
      return session;
    } catch {
      return known ?? NONE;
    }
  };
}

function read(key: string): Session | undefined {
  try {
    const session = JSON.parse(recall(key) ?? "null") as Session | null;
    return session ?? undefined;
  } catch {
    return undefined;
  }
}
