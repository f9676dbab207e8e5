import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";

const PIN = /^sha256\/([A-Za-z0-9+/]{43}=)$/;

/** `ERR_PIN_MISMATCH` in `code`: the connection was closed before anything was sent. */
export class PinMismatch extends Error {
  override readonly name = "PinMismatch";
  readonly code = "ERR_PIN_MISMATCH";
}

/**
 * Reads pins: `sha256/` and the base64 SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 §2.4).
 * @throws TypeError on a malformed pin, RangeError on an empty list: it would refuse every server.
 */
export function parsePins(pins: readonly string[]): ReadonlySet<string> {
  if (pins.length === 0) throw new RangeError("pins must not be empty: leave the option out to pin nothing");
  return new Set(
    pins.map((pin) => {
      const digest = PIN.exec(pin)?.[1];
      if (digest === undefined) throw new TypeError(`pins must be written sha256/<base64 of 32 bytes>, got ${JSON.stringify(pin)}`);
      return digest;
    }),
  );
}

/**
 * What is wrong with the server's key, or `undefined`. Only the key that the server proved to hold counts: other
 * certificates of its chain are whatever it chose to send.
 */
export function checkPin(socket: Socket, pins: ReadonlySet<string>): PinMismatch | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) return new PinMismatch("the connection has no certificate to compare with the pins");
  const key = certificate.publicKey.export({ type: "spki", format: "der" });
  const digest = createHash("sha256").update(key).digest("base64");
  return pins.has(digest) ? undefined : new PinMismatch(`the server's key sha256/${digest} is not among the ${pins.size} pins`);
}
