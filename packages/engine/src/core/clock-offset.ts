import { type EpochMs, parseHttpDate, parseIso } from "@guardian-sync/protocol";

/** How far the server's clock is ahead of the local one, as one exchange showed it. */
export interface ClockOffset {
  /** server − local, ms; negative: the local clock is fast. */
  readonly offsetMs: number;
  /** Half of the round trip and of the resolution of the server's figure: the truth lies this close. */
  readonly errorMs: number;
}

export interface ClockSample {
  /** Local wall clock when the answer had arrived. */
  readonly receivedAt: EpochMs;
  /** Duration of the exchange, monotonic. */
  readonly elapsedMs: number;
  /** ISO 8601 from our envelope or handshake: exact. */
  readonly serverTime?: string | undefined;
  /** HTTP `Date`: whole seconds, cut off. */
  readonly date?: string | undefined;
}

/** The server read its clock, on average, half a round trip before the answer arrived. `undefined`: it told no time. */
export function measureOffset({ receivedAt, elapsedMs, serverTime, date }: ClockSample): ClockOffset | undefined {
  const exact = serverTime === undefined ? undefined : parseIso(serverTime);
  const coarse = exact !== undefined || date === undefined ? undefined : parseHttpDate(date);
  const serverMs = exact ?? (coarse === undefined ? undefined : coarse + 500);
  if (serverMs === undefined) return undefined;
  return {
    offsetMs: Math.round(serverMs + elapsedMs / 2 - receivedAt),
    errorMs: Math.ceil(elapsedMs / 2) + (exact === undefined ? 500 : 0),
  };
}

/**
 * The newer measurement, unless it says nothing that the older did not: a slow or coarse one that agrees with a sharp
 * one within its own error does not blur it.
 */
export function betterOffset(known: ClockOffset | undefined, measured: ClockOffset | undefined): ClockOffset | undefined {
  if (known === undefined || measured === undefined) return measured ?? known;
  const agrees = Math.abs(measured.offsetMs - known.offsetMs) <= measured.errorMs + known.errorMs;
  return agrees && measured.errorMs > known.errorMs ? known : measured;
}

/** The moment of a first send in server time; 0, older than anything a server remembers, while no offset was measured. */
export function firstSendAt(now: EpochMs, offsetMs: number | undefined): number {
  return offsetMs === undefined ? 0 : now + offsetMs;
}
