import { describe, expect, test } from "vitest";
import { failureDetail, networkFailureOf } from "./network-failure.ts";

const error = (code: string, more: object = {}): Error =>
  Object.assign(new Error("timed out after 4000 ms ECONNREFUSED"), { code, ...more });

describe("network failures", () => {
  test.each([
    ["ENOTFOUND", "dns_failed"],
    ["EAI_AGAIN", "dns_failed"],
    ["ECONNREFUSED", "connection_refused"],
    ["ECONNRESET", "reset"],
    ["EPIPE", "reset"],
    ["UND_ERR_SOCKET", "reset"],
    ["HPE_INVALID_CONSTANT", "reset"],
    ["ERR_HTTP2_STREAM_ERROR", "reset"],
    ["ETIMEDOUT", "timeout"],
    ["UND_ERR_CONNECT_TIMEOUT", "timeout"],
    ["UND_ERR_HEADERS_TIMEOUT", "timeout"],
    ["UND_ERR_BODY_TIMEOUT", "timeout"],
    ["ENETUNREACH", "unreachable"],
    ["EHOSTUNREACH", "unreachable"],
    ["ENETDOWN", "offline"],
    ["CERT_HAS_EXPIRED", "tls_failed"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "tls_failed"],
    ["ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", "tls_failed"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls_failed"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls_failed"],
    ["SELF_SIGNED_CERT_IN_CHAIN", "tls_failed"],
    ["EPROTO", "tls_failed"],
    ["ERR_PIN_MISMATCH", "pin_mismatch"],
    ["UND_ERR_ABORTED", "abort"],
    ["UND_ERR_DESTROYED", "abort"],
    ["SOMETHING_NEW", "reset"],
  ])("R3 %s is %s, whatever its message says", (code, failure) => {
    expect(networkFailureOf(error(code))).toBe(failure);
    expect(networkFailureOf(new Error("outer", { cause: error(code) }))).toBe(failure);
  });
  test("R3 several addresses that failed at once count as the first", () => {
    expect(networkFailureOf(new AggregateError([error("ECONNREFUSED"), error("ENETUNREACH")]))).toBe("connection_refused");
    expect(networkFailureOf(error("ECONNREFUSED", { errors: [error("EHOSTUNREACH")] }))).toBe("connection_refused");
  });
  test.each(["ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN"])(
    "R3 %s on an established connection is a reset: the request may have arrived",
    (code) => {
      expect(networkFailureOf(error(code, { syscall: "read" }))).toBe("reset");
      expect(networkFailureOf(error(code, { syscall: "write" }))).toBe("reset");
      expect(networkFailureOf(error(code, { syscall: "connect" }))).not.toBe("reset");
    },
  );
  test("R3 anything that was thrown is a failure, even a circle", () => {
    const circle: { cause?: unknown } = {};
    circle.cause = circle;
    for (const odd of [undefined, null, "text", 7, {}, circle, { code: 5 }]) expect(networkFailureOf(odd)).toBe("reset");
    expect(failureDetail("text")).toBe("text");
    expect(failureDetail(new Error("a", { cause: error("EPIPE") }))).toBe("a: EPIPE timed out after 4000 ms ECONNREFUSED");
  });
});
