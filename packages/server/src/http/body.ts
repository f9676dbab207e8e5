/** Request bodies: compressed or not, within bounds, JSON. */
import { gunzipSync } from "node:zlib";
import { type Json, JSON_CONTENT_TYPE, MAX_PAYLOAD_DEPTH, MERGE_PATCH_CONTENT_TYPE } from "@guardian-sync/protocol";
import { invalid, type Refusal, RequestRefused } from "../core/refusal.ts";
import type { PlainRequest } from "../ports.ts";

/** A payload stands a few levels inside its envelope; one that is itself too deep is refused alone. */
const MAX_BODY_DEPTH = MAX_PAYLOAD_DEPTH + 8;

const JSON_TYPES: ReadonlySet<string> = new Set([JSON_CONTENT_TYPE.split(";")[0] ?? "", MERGE_PATCH_CONTENT_TYPE]);

/** Undefined for no body. @throws RequestRefused 400, 413, 415 */
export function readJson(request: PlainRequest, maxBytes: number): Json | undefined {
  const { headers } = request;
  if (request.body.byteLength > maxBytes) throw new RequestRefused(tooLarge(maxBytes));
  const bytes = decoded(request.body, headers["content-encoding"], maxBytes);
  if (bytes.byteLength === 0) return undefined;
  refuseOtherTypes(headers["content-type"]);
  const text = utf8(bytes);
  refuseDeep(text);
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new RequestRefused(invalid("body", "json", "the body is not JSON", 400));
  }
}

function tooLarge(maxBytes: number): Refusal {
  return {
    status: 413,
    code: "PAYLOAD_TOO_LARGE",
    message: `a request body may have ${maxBytes} bytes, also after decompression; send less at once`,
    details: { field: "body", constraint: "max_bytes", max_bytes: maxBytes },
  };
}

function decoded(body: Uint8Array, encoding: string | undefined, maxBytes: number): Uint8Array {
  const name = encoding?.trim().toLowerCase() ?? "";
  if (name === "" || name === "identity") return body;
  if (name !== "gzip" && name !== "x-gzip") throw new RequestRefused(unsupported("Content-Encoding", "gzip or none"));
  try {
    // The bound holds while inflating: a bomb is stopped at its first byte too many.
    return gunzipSync(body, { maxOutputLength: maxBytes });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ERR_BUFFER_TOO_LARGE") throw new RequestRefused(tooLarge(maxBytes));
    throw new RequestRefused(invalid("body", "gzip", "the body is not gzip", 400));
  }
}

function refuseOtherTypes(contentType: string | undefined): void {
  const [type = "", ...parameters] = (contentType ?? "").toLowerCase().split(";");
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith("charset="));
  const isUtf8 = charset === undefined || charset.slice(8).replaceAll('"', "") === "utf-8";
  if (!JSON_TYPES.has(type.trim()) || !isUtf8) throw new RequestRefused(unsupported("Content-Type", JSON_CONTENT_TYPE));
}

function unsupported(header: string, wanted: string): Refusal {
  return {
    status: 415,
    code: "UNSUPPORTED_MEDIA_TYPE",
    message: `${header} must be ${wanted}`,
    details: { field: header, constraint: wanted },
  };
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new RequestRefused(invalid("body", "utf-8", "the body is not UTF-8", 400));
  }
}

/** Counts brackets outside of strings, before anything recursive sees the value. */
function refuseDeep(text: string): void {
  let depth = 0;
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (isInString) {
      if (unit === 0x5c) i++;
      else if (unit === 0x22) isInString = false;
    } else if (unit === 0x22) isInString = true;
    else if (unit === 0x7b || unit === 0x5b) {
      if (++depth > MAX_BODY_DEPTH)
        throw new RequestRefused(invalid("body", "max_depth", `the body is nested deeper than ${MAX_BODY_DEPTH}`, 400));
    } else if (unit === 0x7d || unit === 0x5d) depth--;
  }
}
