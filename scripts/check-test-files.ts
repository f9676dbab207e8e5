// A test file that no project of vitest.config.ts includes would never run, and nobody would notice.
import { globSync } from "node:fs";
import { readReport } from "./test-report.ts";

const ran = new Set(readReport()?.files);
const onDisk = globSync("{packages,apps,simulator,scripts}/**/*.{test,spec}.{ts,tsx,mts,js,mjs}", {
  exclude: ["**/node_modules/**", "**/dist/**"],
}).map((path) => path.replaceAll("\\", "/"));

const missed = onDisk.filter((path) => !ran.has(path));
for (const path of missed) console.error(`${path} did not run: no project in vitest.config.ts includes it, or the run was filtered`);
console.log(`test files: ${onDisk.length} on disk, ${onDisk.length - missed.length} of them ran`);
if (missed.length > 0) process.exitCode = 1;
