import { isUuidV4 } from "@guardian-sync/protocol";

/** Whether a value can serve as an idempotency key: a lowercase UUID v4. */
export function isValidIdempotencyKey(value: unknown): boolean {
  return isUuidV4(value);
}

/** Whether a URL is reached over TLS. */
export function isTlsEnabled(url: string): boolean {
  return /^(?:https|wss):\/\/[^/\s]/i.test(url);
}

const PIN = /^sha256\/[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** Whether all are SPKI pins: `sha256/` and the base64 of 32 bytes, without stray bits; and there is at least one. */
export function validateCertificatePins(pins: readonly string[]): boolean {
  return pins.length > 0 && pins.every((pin) => PIN.test(pin));
}

/** What is legal but unwise about a set of pins, in sentences for a log. */
export function certificatePinWarnings(pins: readonly string[]): readonly string[] {
  const distinct = new Set(pins).size;
  const warnings: string[] = [];
  if (distinct === 1)
    warnings.push("There is only one certificate pin: add a backup pin, or the next key rotation locks every device out.");
  if (distinct < pins.length) warnings.push("A certificate pin stands there more than once.");
  return warnings;
}
