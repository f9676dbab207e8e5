import { NO_FAULTS, type NetworkFaults, type SeededRandom } from "guardian-sync/testing";

/** The state of one device's way to the server. It changes from time to time. */
export interface Weather {
  readonly name: string;
  readonly faults: NetworkFaults;
}

const FINE: NetworkFaults = { ...NO_FAULTS, requestDelayMs: [5, 60], answerDelayMs: [5, 60] };

export const CALM: Weather = { name: "calm", faults: FINE };

const HOUR_MS = 3_600_000;

/** How often each comes up, and what it does. */
const KINDS: readonly { readonly weight: number; readonly weather: (random: SeededRandom) => Weather }[] = [
  { weight: 6, weather: () => CALM },
  {
    weight: 6,
    weather: () => ({
      name: "flaky",
      faults: {
        ...FINE,
        requestLost: 0.05,
        answerLost: 0.12,
        resetBefore: 0.04,
        resetAfter: 0.1,
        duplicate: 0.15,
        duplicateDelayMs: [0, 30_000],
      },
    }),
  },
  {
    weight: 3,
    weather: () => ({
      name: "bad",
      faults: { ...FINE, requestLost: 0.2, answerLost: 0.25, resetAfter: 0.15, duplicate: 0.3, duplicateDelayMs: [1000, 2 * HOUR_MS] },
    }),
  },
  {
    weight: 3,
    weather: (random) => {
      const latestMs = random.pick([3000, 3000, 60_000, 10 * 60_000]);
      return { name: "echo", faults: { ...FINE, duplicate: 0.7, duplicateDelayMs: [0, latestMs] } };
    },
  },
  {
    weight: 2,
    weather: () => ({
      name: "slow",
      faults: { ...FINE, requestDelayMs: [1000, 45_000], answerDelayMs: [1000, 20_000], duplicate: 0.1, duplicateDelayMs: [0, 60_000] },
    }),
  },
  { weight: 2, weather: () => ({ name: "gateway errors", faults: { ...FINE, gatewayError: 0.6 } }) },
  {
    weight: 3,
    weather: (random) => {
      const most = random.pick([10, 60, 600]);
      return { name: "overload", faults: { ...FINE, unavailable: 0.3, rateLimited: 0.3, retryAfterS: [1, most] } };
    },
  },
  { weight: 1, weather: () => ({ name: "portal", faults: { ...FINE, portal: 1 } }) },
  { weight: 2, weather: () => ({ name: "offline", faults: { ...FINE, offline: true } }) },
  { weight: 1, weather: () => ({ name: "requests vanish", faults: { ...FINE, requestLost: 1 } }) },
  { weight: 1, weather: () => ({ name: "answers vanish", faults: { ...FINE, answerLost: 1 } }) },
  { weight: 1, weather: () => ({ name: "refused", faults: { ...FINE, connectionRefused: 1 } }) },
  { weight: 1, weather: () => ({ name: "no names", faults: { ...FINE, dnsFailed: 1 } }) },
];
const TOTAL = KINDS.reduce((sum, { weight }) => sum + weight, 0);

export function nextWeather(random: SeededRandom): Weather {
  let draw = random.integer(0, TOTAL - 1);
  for (const { weight, weather } of KINDS) {
    draw -= weight;
    if (draw < 0) return weather(random);
  }
  return CALM;
}
