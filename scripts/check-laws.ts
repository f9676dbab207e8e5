// Holds docs/laws.md against the tests of the last `npm test`: a test may cite only a law that exists, and a law
// that no test cites must say why. With `--write` the table of laws and tests is written anew.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { staleRows, withTable } from "./law-table.ts";
import { checkLaws, parseLaws } from "./laws.ts";
import { readReport } from "./test-report.ts";

const report = readReport();
if (!existsSync("docs/laws.md")) {
  console.error("docs/laws.md is missing: it holds the numbered laws that the tests cite, as headings `### Q1 — title`.");
  process.exitCode = 1;
} else if (report === undefined) {
  console.error("The laws are held against the tests that ran, and none did: run `npm test`.");
  process.exitCode = 1;
} else {
  const markdown = readFileSync("docs/laws.md", "utf8");
  const laws = parseLaws(markdown);
  if (process.argv.includes("--write")) writeFileSync("docs/laws.md", withTable(markdown, laws, report.tests));
  const { unknown, untested, closedGaps, citations } = checkLaws(
    laws,
    report.tests.map(({ titles }) => titles),
  );
  const stale = process.argv.includes("--write") ? [] : staleRows(markdown, laws, report.tests);
  for (const line of stale) console.error(`docs/laws.md: ${line}`);
  if (stale.length > 0) console.error("The table of laws and tests is old: `npm run laws` writes it anew.");
  for (const { id, title } of unknown) console.error(`"${title}" cites ${id}, which docs/laws.md does not have`);
  if (untested.length > 0) console.log("laws without a test:");
  for (const law of untested) console.log(`  ${law.id} — ${law.title}${law.gap === undefined ? "" : ` (gap: ${law.gap})`}`);
  for (const law of closedGaps) console.log(`${law.id} is marked as a gap, yet a test cites it: remove the mark if the gap is closed`);
  const unexplained = untested.filter((law) => law.gap === undefined);
  if (unexplained.length > 0) console.error(`${unexplained.length} of them give no reason: write a test, or (gap: reason) in docs/laws.md`);
  console.log(`laws: ${laws.length}, cited ${citations} times, ${untested.length} without a test`);
  if (unknown.length + unexplained.length + stale.length > 0) process.exitCode = 1;
}
