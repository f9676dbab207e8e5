// The JSON that vitest leaves behind: what ran, and how it ended.
import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";

export const REPORT_PATH = "node_modules/.cache/test-report.json";

interface Assertion {
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  readonly status: "passed" | "failed" | "skipped" | "pending" | "todo" | "disabled";
}
interface RawReport {
  readonly testResults: readonly { readonly name: string; readonly status: string; readonly assertionResults: readonly Assertion[] }[];
}

export interface RanTest {
  /** Relative to the root, with slashes. */
  readonly file: string;
  /** Its title, behind those of the `describe` blocks around it. */
  readonly titles: readonly string[];
}
export interface TestReport {
  readonly passed: number;
  /** Failed tests, and files that failed before their tests were known. */
  readonly failed: number;
  /** Test files that ran, relative to the root, with slashes. */
  readonly files: readonly string[];
  /** The tests that ran (not those skipped). */
  readonly tests: readonly RanTest[];
}

/** `undefined` if the tests did not run to their end. */
export function readReport(path: string = REPORT_PATH): TestReport | undefined {
  if (!existsSync(path)) return undefined;
  const { testResults } = JSON.parse(readFileSync(path, "utf8")) as RawReport;
  const tests = testResults.flatMap((file) => file.assertionResults);
  const broken = testResults.filter((file) => file.status === "failed" && !file.assertionResults.some(({ status }) => status === "failed"));
  const passed = tests.filter(({ status }) => status === "passed");
  const failed = tests.filter(({ status }) => status === "failed");
  const fileOf = (name: string): string => relative(process.cwd(), name).replaceAll("\\", "/");
  return {
    passed: passed.length,
    failed: failed.length + broken.length,
    files: testResults.map(({ name }) => fileOf(name)),
    tests: testResults.flatMap(({ name, assertionResults }) =>
      assertionResults
        .filter(({ status }) => status === "passed" || status === "failed")
        .map(({ ancestorTitles, title }) => ({ file: fileOf(name), titles: [...ancestorTitles, title] })),
    ),
  };
}
