import type { NetworkFailure } from "../ports/index.ts";

const BY_CODE: Readonly<Record<string, NetworkFailure>> = {
  ENOTFOUND: "dns_failed",
  EAI_AGAIN: "dns_failed",
  EAI_FAIL: "dns_failed",
  EAI_NODATA: "dns_failed",
  ENODATA: "dns_failed",
  ESERVFAIL: "dns_failed",
  ECONNREFUSED: "connection_refused",
  ENETUNREACH: "unreachable",
  EHOSTUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  EHOSTDOWN: "unreachable",
  ENETDOWN: "offline",
  ETIMEDOUT: "timeout",
  UND_ERR_CONNECT_TIMEOUT: "timeout",
  UND_ERR_HEADERS_TIMEOUT: "timeout",
  UND_ERR_BODY_TIMEOUT: "timeout",
  UND_ERR_ABORTED: "abort",
  UND_ERR_CLOSED: "abort",
  UND_ERR_DESTROYED: "abort",
  ABORT_ERR: "abort",
  ERR_PIN_MISMATCH: "pin_mismatch",
  EPROTO: "tls_failed",
  DEPTH_ZERO_SELF_SIGNED_CERT: "tls_failed",
  SELF_SIGNED_CERT_IN_CHAIN: "tls_failed",
};
/** OpenSSL's words for what is wrong with a certificate, and Node's for the rest of TLS. */
const TLS_CODE = /^(CERT_|ERR_TLS_|ERR_SSL_|ERR_OSSL_|UNABLE_TO_|CRL_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)/;

interface Coded {
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
}

/**
 * Tells by codes, never by words, how an exchange failed. What the system says of an established connection (a read or a
 * write failed) is `reset`, whatever the reason: the request may have arrived.
 */
export function networkFailureOf(error: unknown): NetworkFailure {
  for (const one of chainOf(error)) {
    const code = typeof one.code === "string" ? one.code : "";
    if (TLS_CODE.test(code)) return "tls_failed";
    const failure = BY_CODE[code];
    if (failure === undefined) continue;
    return (one.syscall === "read" || one.syscall === "write") && code !== "EPROTO" ? "reset" : failure;
  }
  // ECONNRESET, EPIPE, UND_ERR_SOCKET, HTTP/2 and parser errors, and what nobody has thought of: the connection broke.
  return "reset";
}

/** The error, then what caused it; several addresses tried at once fail as one error with a list. */
function chainOf(error: unknown): readonly Coded[] {
  const chain: Coded[] = [];
  let next: unknown = error;
  while (typeof next === "object" && next !== null && chain.length < 8) {
    const one: Coded = next;
    chain.push(one);
    next = one.cause ?? (Array.isArray(one.errors) ? (one.errors as readonly unknown[])[0] : undefined);
  }
  return chain;
}

/** Code and words of an error, for logs. Holds addresses, never headers or bodies. */
export function failureDetail(error: unknown): string {
  const words = chainOf(error).map((one) =>
    [one.code, one instanceof Error ? one.message : ""].filter((part) => typeof part === "string" && part !== "").join(" "),
  );
  return words.filter((part) => part !== "").join(": ") || String(error);
}
