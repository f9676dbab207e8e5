import { once } from "node:events";
import type { Writable } from "node:stream";

/** Writes, and waits when the reader is slower: nothing piles up in memory. */
export async function write(stream: Writable, text: string): Promise<void> {
  if (text === "" || stream.destroyed) return;
  if (!stream.write(text)) await once(stream, "drain");
}

export function writeLine(stream: Writable, text: string): Promise<void> {
  return write(stream, `${text}\n`);
}

/** One JSON value, readable by people and programs. */
export function writeJson(stream: Writable, value: unknown): Promise<void> {
  return write(stream, `${JSON.stringify(value, null, 2)}\n`);
}
