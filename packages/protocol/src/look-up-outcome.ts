import type { AnswerFacts, OutcomeMatcher, OutcomeRow, StatusRange } from "./outcome.ts";
import { FALLBACK_ROW, OUTCOME_TABLE } from "./outcome-table.ts";

/**
 * The first row that matches, out of `overrides` (a route's own) and then the table. Pure and total: a status that
 * nobody has ever heard of still gets an answer, and never a success. Codes are compared only where the table names
 * them, so an unknown code is treated by its status.
 */
export function lookUpOutcome(facts: AnswerFacts, overrides: readonly OutcomeRow[] = []): OutcomeRow {
  return firstMatch(overrides, facts) ?? firstMatch(OUTCOME_TABLE, facts) ?? byStatus(facts, overrides) ?? FALLBACK_ROW;
}

/** A result whose `outcome` leaves it open (`rejected`, `retry`) means what the REST face would mean by its status. */
function byStatus(facts: AnswerFacts, overrides: readonly OutcomeRow[]): OutcomeRow | undefined {
  if (facts.kind !== "result") return undefined;
  const { status, code } = facts;
  return lookUpOutcome({ kind: "http", status, body: "ours", ...(code === undefined ? {} : { code }) }, overrides);
}

function firstMatch(rows: readonly OutcomeRow[], facts: AnswerFacts): OutcomeRow | undefined {
  return rows.find((row) => matches(row.when, facts));
}

function matches(when: OutcomeMatcher, facts: AnswerFacts): boolean {
  if (facts.kind === "network") return when.kind === "network" && when.failures.includes(facts.failure);
  if (facts.kind === "result")
    return when.kind === "result" && when.outcomes.includes(facts.outcome) && inRanges(when.statuses, facts.status);
  if (when.kind !== "http" || !inRanges(when.statuses, facts.status)) return false;
  if (when.codes !== undefined && (facts.code === undefined || !(when.codes === "any" || when.codes.includes(facts.code)))) return false;
  if (when.bodies !== undefined && !when.bodies.includes(facts.body)) return false;
  if (when.retryAfter === true && facts.retryAfterMs === undefined) return false;
  if (when.redirect === "cross_origin") return facts.crossOriginRedirect === true;
  return when.redirect === undefined || (facts.sameOriginRedirect === true && facts.crossOriginRedirect !== true);
}

function inRanges(ranges: readonly StatusRange[] | undefined, status: number): boolean {
  if (ranges === undefined) return true;
  return ranges.some((range) => (typeof range === "number" ? range === status : range[0] <= status && status <= range[1]));
}
