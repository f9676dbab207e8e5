import { isJsonObject, type Json } from "@guardian-sync/protocol";
import { utf8Decode, utf8Encode } from "../format/index.ts";

/** What is remembered of an origin, for every account of the file and every process: it outlives them all. Holds no secret. */
export interface OriginState {
  readonly baseUrl: string;
  /** State of the circuit breaker, as text. */
  readonly breaker: string;
  /** Nothing goes there before. Epoch ms; 0 = now. */
  readonly holdUntil: number;
  /** When that was asked for, by the same clock: a clock that was set back since does not make the wait longer. Epoch ms. */
  readonly holdFrom: number;
}
export const ORIGIN_KEY = "origin";

export function encodeOrigin(state: OriginState): Uint8Array {
  return utf8Encode(JSON.stringify(state));
}

/** Whatever cannot be read is as if nothing were known: at worst a request goes out that waits for its answer. */
export function decodeOrigin(bytes: Uint8Array | undefined): OriginState | undefined {
  if (bytes === undefined) return undefined;
  let value: Json;
  try {
    value = JSON.parse(utf8Decode(bytes)) as Json;
  } catch {
    return undefined;
  }
  if (!isJsonObject(value)) return undefined;
  const { baseUrl, breaker, holdUntil, holdFrom } = value;
  if (typeof baseUrl !== "string" || typeof breaker !== "string") return undefined;
  if (typeof holdUntil !== "number" || typeof holdFrom !== "number") return undefined;
  return { baseUrl, breaker, holdUntil, holdFrom };
}
