/** Bounds of the wire. A server may announce lower ones in its handshake, never higher ones. */

/** UTF-8 bytes of one operation's payload as JSON text. */
export const MAX_PAYLOAD_BYTES = 262_144;
/** Containers inside each other: `{}` is one level, a scalar none. */
export const MAX_PAYLOAD_DEPTH = 32;
/** Operations in one `POST /api/v1/sync/ops`. */
export const MAX_BATCH_OPERATIONS = 500;
/** Bytes of a request body before compression. */
export const MAX_BODY_BYTES = 1_048_576;
/** Request bodies above this are worth compressing; only a level 4 backend is known to accept it. */
export const GZIP_ABOVE_BYTES = 1024;

/** Documents that a server answers with may have grown past one payload by many patches. */
export const MAX_DOCUMENT_BYTES = 16_777_216;
export const MAX_DOCUMENT_DEPTH = 128;
/** Changes or snapshot rows in one page. */
export const MAX_PAGE_ITEMS = 10_000;

/** How long a complete response is replayed for its key. */
export const REPLAY_WINDOW_MS = 86_400_000;
/** How long the ledger knows what became of a key: as long as the feed lives. */
export const LEDGER_WINDOW_MS = 7_776_000_000;
/** A strict server refuses a `timestamp` further off than this with CLOCK_SKEW. */
export const MAX_CLOCK_SKEW_MS = 300_000;
/** Longest `wait` of a pull. */
export const MAX_PULL_WAIT_MS = 25_000;
/** No Retry-After holds a client longer than this. */
export const MAX_RETRY_AFTER_MS = 86_400_000;
/** Wait after CONCURRENT_REQUEST: the first request with the key is still being executed. */
export const CONCURRENT_RETRY_MS = 2000;
/** A preflight answer is cached this long (seconds: the unit of `Access-Control-Max-Age`). */
export const CORS_MAX_AGE_S = 7200;

/** The first frame on a socket, `hello`, arrives within this time or the server closes with 4408. */
export const SOCKET_HELLO_TIMEOUT_MS = 5000;
export const SOCKET_PING_MS = 25_000;

/** Characters of a persisted, redacted `last_error`. */
export const MAX_LAST_ERROR_CHARS = 512;
/** Characters of names: operation types, entity types, entity ids, lanes, groups, tokens. */
export const MAX_NAME_CHARS = 255;
