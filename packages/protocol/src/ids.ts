declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** UUID v4, lowercase, one per attempt-to-apply of an operation: the same on every try. */
export type IdempotencyKey = Branded<string, "IdempotencyKey">;
/** UUID v7 of an operation: names it for its whole life, for storage locality and look-up, never for order. */
export type OperationId = Branded<string, "OperationId">;
/** UUID v4 made with each queue file, per account. The server orders and fences by it. */
export type ClientId = Branded<string, "ClientId">;
/** Any UUID; carried from enqueue to the server's log. */
export type TraceId = Branded<string, "TraceId">;
/** Milliseconds since the Unix epoch. Only schedules and displays; never orders. */
export type EpochMs = Branded<number, "EpochMs">;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Whether `value` is a lowercase, hyphenated UUID of any version. */
export function isUuid(value: unknown): value is string {
  return typeof value === "string" && value.length === 36 && UUID.test(value);
}
/** Whether `value` is a lowercase UUID v4 (RFC 9562 §5.4). */
export function isUuidV4(value: unknown): value is string {
  return typeof value === "string" && value.length === 36 && UUID_V4.test(value);
}

/** Returns `length` uniformly random bytes, owned by the caller: `crypto.getRandomValues`, or a seeded generator in simulation. */
export type RandomBytes = (length: number) => Uint8Array;

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** The UUID v4 of the 16 random bytes from `at` on (RFC 9562 §5.4). */
export function uuidV4Of(bytes: Uint8Array, at = 0): string {
  const hex = (index: number): string => HEX[bytes[at + index] as number] as string;
  const version = HEX[((bytes[at + 6] as number) & 0x0f) | 0x40];
  const variant = HEX[((bytes[at + 8] as number) & 0x3f) | 0x80];
  const head = `${hex(0)}${hex(1)}${hex(2)}${hex(3)}-${hex(4)}${hex(5)}-${version}${hex(7)}-${variant}${hex(9)}`;
  return `${head}-${hex(10)}${hex(11)}${hex(12)}${hex(13)}${hex(14)}${hex(15)}`;
}

/** A random UUID v4. */
export function uuidV4(random: RandomBytes): string {
  return uuidV4Of(random(16));
}

/**
 * A maker of UUID v7 values that never go back within one process (RFC 9562 §6.2, method 1: a 12-bit counter
 * in `rand_a`): a clock set backwards keeps counting in the last millisecond seen. `newUuidV4` gives the random bits.
 */
export function uuidV7Maker(newUuidV4: () => string): (now: EpochMs) => OperationId {
  let lastMs = 0;
  let counter = 0;
  let time = "";
  return (now) => {
    // A clock with a fraction would restart the counter within one millisecond, and ids would go back.
    const nowMs = Math.floor(now);
    if (nowMs > lastMs) {
      lastMs = nowMs;
      counter = 0;
      time = timePart(lastMs);
    } else if (++counter > 0xfff) {
      lastMs += 1;
      counter = 0;
      time = timePart(lastMs);
    }
    // The last 16 digits of a v4 carry the variant already.
    return `${time}${HEX[0x70 | (counter >> 8)]}${HEX[counter & 0xff]}${newUuidV4().slice(18)}` as OperationId;
  };
}

/** The 48-bit time and the hyphens around it. */
function timePart(ms: number): string {
  const digits = ms.toString(16).padStart(12, "0");
  return `${digits.slice(0, 8)}-${digits.slice(8)}-`;
}
