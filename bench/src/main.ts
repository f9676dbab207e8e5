import { writeFileSync } from "node:fs";
import { cpus, platform, release } from "node:os";
import { parseArgs } from "node:util";
import type { BrowserFigures } from "./browser/suite.ts";
import { drainRows } from "./drain.ts";
import { enqueueComparisons } from "./enqueue.ts";
import { foldRow } from "./fold.ts";
import { laneRows } from "./lanes.ts";
import { compare, type Row } from "./measure.ts";
import { nextOperationRow } from "./next-operation.ts";
import { printTable, toMarkdown } from "./table.ts";

const SUITES = ["enqueue", "drain", "fold", "next", "browser"] as const;
const USAGE = `npm run bench -- [--suite ${SUITES.join("|")}] [--full] [--json] [--save]

  --suite NAME   only that one (default: all but browser)
  --full         longer rounds, 1,000,000 pending, and browser
  --json         rows as JSON on stdout
  --save         writes bench/RESULTS.md, or bench/RESULTS-browser.md for that suite

A figure counts as a ratio against the limit measured in the same run: median of 5 interleaved rounds, min and max shown.
browser has 3 rounds and 2,000 pending unless --full: a peer takes half a minute to open 10,000.
It runs in the Chromium of CHROMIUM_PATH or PATH.`;

function options(): { readonly suite: string | undefined; readonly full: boolean; readonly json: boolean; readonly save: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        suite: { type: "string" },
        full: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        save: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    if (values.suite !== undefined && !(SUITES as readonly string[]).includes(values.suite))
      throw new Error(`there is no suite "${values.suite}"`);
    return { suite: values.suite, full: values.full, json: values.json, save: values.save };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}

const { suite, full, json, save } = options();
const ROUNDS = 5;
const note = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`);
};
const rows: Row[] = [];
const wants = (name: (typeof SUITES)[number]): boolean => suite === undefined || suite === name;

if (wants("enqueue")) for (const comparison of enqueueComparisons(full ? 4 : 1)) rows.push(await compare(comparison, ROUNDS, note));
if (wants("drain")) {
  rows.push(...(await drainRows(50, full ? 200 : 40, false, ROUNDS, note)));
  rows.push(...(await drainRows(50, full ? 200 : 40, true, ROUNDS, note)));
  rows.push(...(await laneRows(full ? 400 : 100, ROUNDS, note)));
}
if (wants("fold")) rows.push(await foldRow(5000, note));
if (wants("next"))
  for (const pending of full || suite === "next" ? [1000, 100_000, 1_000_000] : [1000, 100_000])
    rows.push(await nextOperationRow(pending, ROUNDS, note));
let browser: BrowserFigures | undefined;
if (suite === "browser" || (full && suite === undefined)) {
  // Only now: the other suites need neither a bundler nor a browser.
  const { browserSuite } = await import("./browser/suite.ts");
  browser = await browserSuite({ rounds: full ? ROUNDS : 3, scale: full ? 4 : 1, pending: full ? 10_000 : 2000, note });
  rows.push(...browser.rows);
}
note("");

const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, ${platform()} ${release()}, Node ${process.version}${browser === undefined ? "" : `, Chromium ${browser.version}`}`;
const figures = browser === undefined ? [] : [browser.figures];
if (json) console.log(JSON.stringify({ machine, at: new Date().toISOString(), figures, rows }, null, 2));
else printTable(machine, rows, figures);
if (save) {
  const file = suite === "browser" ? "../RESULTS-browser.md" : "../RESULTS.md";
  const command = `npm run bench -- ${suite === "browser" ? `--suite browser${full ? " --full" : ""} ` : ""}--save`;
  writeFileSync(new URL(file, import.meta.url), toMarkdown(machine, rows, figures, command));
}
