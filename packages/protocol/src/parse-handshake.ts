import { anyText, count, flag, isoTime, listOf, mapOf, name, objectOf, ordinal, uuidV4 } from "./checks.ts";
import type { HandshakeRequest, HandshakeResponse } from "./messages.ts";
import { accept, border, type Check, type Parsed, refuse } from "./parsed.ts";

const MAX_DECLARED = 10_000;
const SEGMENT = /^[A-Za-z0-9._~-]{1,255}$/;

const protocolRange: Check<{ readonly min: number; readonly max: number }> = /* @__PURE__ */ objectOf((members) => {
  const min = members.need("min", ordinal);
  const max = members.need("max", ordinal);
  if (min > max) members.refuse("max", "must not be less than min");
  return members.done({ min, max });
});

const account: Check<{ readonly space: string; readonly principal: string }> = /* @__PURE__ */ objectOf((members) =>
  members.done({ space: members.need("space", name), principal: members.need("principal", name) }),
);

const request: Check<HandshakeRequest> = /* @__PURE__ */ objectOf((members) =>
  members.done({
    protocol: members.need("protocol", protocolRange),
    ...members.may("app_version", name),
    ...members.may("client_id", uuidV4),
    ...members.may("account", account),
  }),
);

/** A collection stands in a URL: a name that leads elsewhere (`..`, `a/b`, `?`) is refused. */
const segment: Check<string> = (value, path) => {
  const text = anyText(value, path);
  if (!text.ok) return text;
  return SEGMENT.test(text.value) && text.value !== "." && text.value !== ".."
    ? accept(text.value)
    : refuse(path, "must be one path segment");
};

const response: Check<HandshakeResponse> = /* @__PURE__ */ objectOf((members) =>
  members.done({
    protocol: members.need("protocol", protocolRange),
    idempotency: members.need(
      "idempotency",
      objectOf((m) =>
        m.done({
          honoured: m.need("honoured", flag),
          replay_window_s: m.need("replay_window_s", count),
          key_window_s: m.need("key_window_s", count),
        }),
      ),
    ),
    batch: members.need(
      "batch",
      objectOf((m) => m.done({ max_operations: m.need("max_operations", ordinal), max_bytes: m.need("max_bytes", ordinal) })),
    ),
    operations: members.need("operations", listOf(name, MAX_DECLARED)),
    collections: members.need("collections", mapOf(segment, MAX_DECLARED)),
    feed: members.need(
      "feed",
      objectOf((m) =>
        m.done({ changes: m.need("changes", flag), snapshot: m.need("snapshot", flag), max_wait_s: m.need("max_wait_s", count) }),
      ),
    ),
    realtime: members.need(
      "realtime",
      objectOf((m) => m.done({ socket: m.need("socket", flag) })),
    ),
    cancel: members.need("cancel", flag),
    server_time: members.need("server_time", isoTime),
    generation: members.need("generation", name),
    account: members.need("account", account),
  }),
);

/** Reads the payload of `POST /api/v1/sync/handshake`. */
export function parseHandshakeRequest(value: unknown, path = ""): Parsed<HandshakeRequest> {
  return border(value, path, request);
}
/** Reads its data: what the backend can do, and whom it takes the caller for. */
export function parseHandshakeResponse(value: unknown, path = ""): Parsed<HandshakeResponse> {
  return border(value, path, response);
}
