// `npm test`: every gate of the house, each named and timed. A failed gate does not stop those that can still say something.
// The last line is always `N passed, N failed`: tests, where a failed gate other than the tests counts as one more failure.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { REPORT_PATH, readReport } from "./test-report.ts";

interface Gate {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** Another gate without which this one would only repeat the bad news. */
  readonly needs?: string;
}

const TESTS = "tests";
const GATES: readonly Gate[] = [
  { name: "lockfile", command: ["node", "scripts/check-lockfile.ts"] },
  { name: "types", command: ["tsc", "-b"] },
  { name: "format and lint", command: ["biome", "ci", "--diagnostic-level=warn", "--error-on-warnings", "."] },
  { name: "type-aware lint", command: ["oxlint", "--type-aware", "--quiet", "."] },
  { name: "imports", command: ["node", "scripts/check-imports.ts"] },
  { name: "dead code", command: ["knip", "--no-progress"] },
  { name: "size of a page", command: ["node", "scripts/check-size.ts"] },
  { name: "packages", command: ["node", "scripts/check-packages.ts"], needs: "types" },
  {
    name: TESTS,
    command: ["vitest", "run", "--coverage", "--reporter=default", "--reporter=json", `--outputFile.json=${REPORT_PATH}`],
  },
  { name: "test files", command: ["node", "scripts/check-test-files.ts"], needs: TESTS },
  { name: "laws", command: ["node", "scripts/check-laws.ts"], needs: TESTS },
];

const env = { ...process.env, PATH: [join(process.cwd(), "node_modules", ".bin"), process.env.PATH].join(delimiter) };
rmSync(REPORT_PATH, { force: true });

const failed: string[] = [];
for (const { name, command, needs } of GATES) {
  if (needs !== undefined && failed.includes(needs) && (needs !== TESTS || readReport() === undefined)) {
    console.log(`skip ${name}: needs ${needs}`);
    continue;
  }
  const [program, ...args] = command;
  const start = performance.now();
  const { status } = spawnSync(program, args, { stdio: "inherit", env, shell: process.platform === "win32" });
  console.log(`${status === 0 ? "ok  " : "FAIL"} ${name} ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  if (status !== 0) failed.push(name);
}

const report = readReport();
const failedTests = report?.failed ?? 0;
// The tests' gate can also fail on coverage or an error outside any test; its failed tests are counted already.
const otherFailures = failed.filter((name) => name !== TESTS || failedTests === 0).length;
if (failed.length > 0) console.log(`failed: ${failed.join(", ")}`);
console.log(`${report?.passed ?? 0} passed, ${failedTests + otherFailures} failed`);
process.exitCode = failed.length > 0 ? 1 : 0;
