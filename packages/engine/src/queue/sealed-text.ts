import { PROTOCOL_VERSION } from "@guardian-sync/protocol";
import type { Hash, MaybePromise } from "../ports/index.ts";

/**
 * Sealed bytes as they are stored: `SHA-256 hex, space, wire version, space, text`. The hash stands with the bytes even in a file that
 * is not encrypted: what is sent again is what was sealed, or nothing.
 */
export async function stampText(hash: Hash, text: string): Promise<string> {
  const digest: MaybePromise<string> = hash.sha256Hex(text);
  return `${typeof digest === "string" ? digest : await digest} ${PROTOCOL_VERSION} ${text}`;
}

const HEX_CHARS = 64;

/** The text, or null when its hash says otherwise. */
export async function readStampedText(hash: Hash, stamped: string): Promise<string | null> {
  const versionEnd = stamped.indexOf(" ", HEX_CHARS + 1);
  if (versionEnd < 0) return null;
  const text = stamped.slice(versionEnd + 1);
  const digest: MaybePromise<string> = hash.sha256Hex(text);
  return stamped.slice(0, HEX_CHARS) === (typeof digest === "string" ? digest : await digest) ? text : null;
}
