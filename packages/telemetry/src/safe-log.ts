import { maskToken } from "./mask-token.ts";
import { redactPii } from "./redact-text.ts";
import { safeJsonParse, safeJsonStringify } from "./safe-json.ts";
import { sanitizePath } from "./sanitize-path.ts";
import { isSensitiveName } from "./sensitive-names.ts";

const MAX_RESPONSE_CHARS = 1000;
const MAX_HEADER_CHARS = 200;

export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: unknown;
}
export interface LoggedResponse {
  readonly status: number;
  readonly headers?: { readonly [name: string]: string };
  /** The text as it came. */
  readonly body?: string;
}

/** `HTTP POST /api/v1/users/{id} | Headers: {…} | Body: {…}`, for debug logs in development. */
export function createSafeRequestLog(request: LoggedRequest): string {
  const { method, path, headers = {}, body } = request;
  const shown = typeof body === "string" ? textBody(body) : safeJsonStringify(body ?? null);
  return `HTTP ${redactPii(method)} ${sanitizePath(path)} | Headers: ${safeHeaders(headers)} | Body: ${shown}`;
}

/** `HTTP 200 | Headers: {…} | Body: …`; the body is redacted, then cut at 1000 characters. */
export function createSafeResponseLog(response: LoggedResponse): string {
  const { status, headers = {}, body = "" } = response;
  const shown = textBody(body);
  const cut = shown.length > MAX_RESPONSE_CHARS ? `${shown.slice(0, MAX_RESPONSE_CHARS)}… (${shown.length} characters)` : shown;
  return `HTTP ${status} | Headers: ${safeHeaders(headers)} | Body: ${cut}`;
}

function textBody(text: string): string {
  const parsed = safeJsonParse(text);
  return typeof parsed === "object" && parsed !== null ? safeJsonStringify(parsed) : redactPii(text);
}

function safeHeaders(headers: { readonly [name: string]: string }): string {
  const safe = Object.entries(headers).map(([name, value]) => {
    const text = String(value);
    if (/authorization$/i.test(name)) return `${name}: ${maskToken(text)}`;
    if (isSensitiveName(name)) return `${name}: [REDACTED]`;
    const shown = /^(?:location|referer|origin)$/i.test(name) ? sanitizePath(text) : redactPii(text);
    return `${redactPii(name)}: ${shown.slice(0, MAX_HEADER_CHARS)}`;
  });
  return `{${safe.join(", ")}}`;
}
