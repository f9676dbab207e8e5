import { z } from "zod";
import { type Faults, NORMAL_LATENCY_MS } from "../state.ts";

export const NO_FAULTS: Faults = { latencyMs: NORMAL_LATENCY_MS, failing: false, losingAnswers: false };

const Change = z.strictObject({ latencyMs: z.int().min(0).max(20_000), failing: z.boolean(), losingAnswers: z.boolean() }).partial();

/** The faults after a wish for others: what it does not name stays. Undefined: the wish is none. */
export function changedFaults(faults: Faults, body: string): Faults | undefined {
  try {
    const { latencyMs, failing, losingAnswers } = Change.parse(JSON.parse(body));
    return {
      latencyMs: latencyMs ?? faults.latencyMs,
      failing: failing ?? faults.failing,
      losingAnswers: losingAnswers ?? faults.losingAnswers,
    };
  } catch {
    return undefined;
  }
}
