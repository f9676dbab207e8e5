import { hash } from "node:crypto";
import type { Hash } from "../ports/index.ts";

/** SHA-256 by the runtime; synchronous. */
export const nodeHash: Hash & { sha256Hex(text: string): string } = {
  sha256Hex: (text) => hash("sha256", text, "hex"),
};
