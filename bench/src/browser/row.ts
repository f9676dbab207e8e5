/// <reference lib="dom" />
import { updateOf } from "../workload.ts";

/** An operation as an app would store it with a library that has no operations of its own. */
export function rowOf(index: number): { id: string; key: string; created_at: number } & ReturnType<typeof updateOf> {
  return { id: crypto.randomUUID(), key: crypto.randomUUID(), created_at: Date.now(), ...updateOf(index) };
}
