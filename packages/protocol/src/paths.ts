/** The calls of the sync face, relative to the backend's origin. */
export const SYNC_PATHS = {
  handshake: "/api/v1/sync/handshake",
  ops: "/api/v1/sync/ops",
  changes: "/api/v1/sync/changes",
  snapshot: "/api/v1/sync/snapshot",
  socket: "/api/v1/sync/socket",
} as const;

/** `GET`: what became of this key? */
export function verdictPath(key: string): string {
  return `${SYNC_PATHS.ops}/${encodeURIComponent(key)}`;
}
/** `POST`: cancel it, unless it was applied. */
export function cancelPath(key: string): string {
  return `${verdictPath(key)}/cancel`;
}

/** The WebSocket subprotocol of protocol version 1. */
export const SOCKET_SUBPROTOCOL = "guardian-sync.v1";
/** Why a server closes a socket, and what the client does about it. */
export const SOCKET_CLOSE_CODES = {
  4401: "authenticate",
  4403: "stop",
  4408: "reconnect",
  4410: "reset",
  4426: "pause",
  4429: "wait",
  4503: "wait",
} as const;
export type SocketCloseCode = keyof typeof SOCKET_CLOSE_CODES;
