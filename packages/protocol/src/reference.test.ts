import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { WIRE_CODES } from "./codes.ts";
import { HEADERS } from "./headers.ts";
import { LEVELS } from "./levels.ts";
import { RESULT_OUTCOMES } from "./messages.ts";
import type { OutcomeMatcher, OutcomeRow, StatusRange } from "./outcome.ts";
import { OUTCOME_TABLE } from "./outcome-table.ts";
import { SOCKET_CLOSE_CODES, SOCKET_SUBPROTOCOL, SYNC_PATHS } from "./paths.ts";

const page = readFileSync(new URL("../../../docs/reference/protocol.md", import.meta.url), "utf8");

describe("docs/reference/protocol.md", () => {
  test.each([
    ...WIRE_CODES,
    ...Object.values(HEADERS),
    ...RESULT_OUTCOMES,
    ...Object.values(SYNC_PATHS),
    ...Object.keys(SOCKET_CLOSE_CODES),
    SOCKET_SUBPROTOCOL,
  ])("speaks of %s", (term) => {
    expect(page).toContain(term);
  });

  test.each(LEVELS)("promises at level $level what the data promises", ({ level, offers, promises }) => {
    expect(page).toContain(`| ${level} | ${offers} | ${promises.join(" ")} |`);
  });

  // The whole table in one message: paste it into the page when a row changes.
  test("shows the outcome table as it is", () => {
    const table = OUTCOME_TABLE.map(markdown).join("\n");
    expect(page.slice(page.indexOf("| `result_applied`"), page.indexOf("\n\n", page.indexOf("| `result_applied`")))).toBe(table);
  });
});

function markdown(row: OutcomeRow): string {
  const sign = (claim: boolean): string => (claim ? "yes" : "");
  const errorClass = row.errorClass === "none" ? "" : row.errorClass;
  return `| \`${row.name}\` | ${matcher(row.when)} | ${errorClass} | ${row.next} | ${sign(row.mayHaveHappened)} | ${sign(row.burnsAttempt)} | ${sign(row.countsForBreaker)} | ${row.code ?? ""} |`;
}

function matcher(when: OutcomeMatcher): string {
  if (when.kind === "network") return when.failures.join(", ");
  if (when.kind === "result")
    return [`result ${when.outcomes.join(", ")}`, statuses(when.statuses)].filter((part) => part !== "").join(": ");
  const parts = [
    statuses(when.statuses),
    when.codes === "any" ? "with any error code" : (when.codes ?? []).join(", "),
    when.bodies === undefined ? "" : `body ${when.bodies.join(", ")}`,
    when.retryAfter === true ? "with Retry-After" : "",
    when.redirect === undefined ? "" : when.redirect === "same_origin" ? "redirect within the origin" : "redirect to another origin",
  ];
  return parts.filter((part) => part !== "").join("; ");
}

function statuses(ranges: readonly StatusRange[] | undefined): string {
  return (ranges ?? []).length > 12
    ? "any that ends it"
    : (ranges ?? []).map((range) => (typeof range === "number" ? String(range) : range.join("–"))).join(" ");
}
