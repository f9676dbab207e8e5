import type { Hash } from "../ports/index.ts";

/** SHA-256 by WebCrypto, which only pages from https or this machine have. */
export const browserHash: Hash = {
  async sha256Hex(text) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  },
};
