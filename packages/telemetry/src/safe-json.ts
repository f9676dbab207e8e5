import { redactPayload } from "./redact-payload.ts";

/** The value of a JSON text, or `undefined`. Never throws. */
export function safeJsonParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Any value as redacted JSON text. Never throws: cycles, bigints and getters that do are shown as what they are. */
export function safeJsonStringify(value: unknown): string {
  try {
    return JSON.stringify(redactPayload(value)) ?? "null";
  } catch {
    return '"[UNREADABLE]"';
  }
}
