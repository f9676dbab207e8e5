import type { PlainRequest } from "../ports.ts";

/** The token of `Authorization: Bearer …`, or null. Longer ones than any issuer makes are not looked at. */
export function bearerOf({ headers }: PlainRequest): string | null {
  const match = /^Bearer +([A-Za-z0-9._~+/=-]{1,8192})$/i.exec(headers.authorization?.trim() ?? "");
  return match?.[1] ?? null;
}
