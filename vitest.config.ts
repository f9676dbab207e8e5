import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { chromiumPath } from "./scripts/chromium.mjs";

// Workspaces run from their sources: the condition `source` comes first in every package's exports.
const conditions = ["source"];
const fromSource = { resolve: { conditions }, ssr: { resolve: { conditions, externalConditions: conditions } } };

// Where both conditions name a file, the browser's comes first in the exports. The others are Vite's own.
const inBrowser = { resolve: { conditions: [...conditions, "module", "browser", "development|production"] } };

// Chromium's sandbox needs a user other than root; containers often have a small /dev/shm.
const isRoot = process.getuid?.() === 0;
const chromium = playwright({
  launchOptions: {
    // A name that is no program says what is missing, and only when this project runs.
    executablePath: chromiumPath() ?? "chromium",
    args: isRoot ? ["--no-sandbox", "--disable-dev-shm-usage"] : [],
  },
});

const tests = (kind: string): string[] => [`{packages,apps,simulator}/**/src/**/*${kind}.test.ts`];
const notBuilt = ["**/node_modules/**", "**/dist/**"];

export default defineConfig({
  test: {
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**/*.ts", "simulator/src/**/*.ts"],
      exclude: ["**/*.test.ts", "**/*.test.support.ts"],
      reporter: ["text-summary", "lcov"],
      thresholds: { lines: 90, branches: 85 },
    },
    projects: [
      {
        ...fromSource,
        test: {
          name: "node",
          include: [...tests(""), "scripts/**/*.test.ts"],
          exclude: [...notBuilt, "**/*.{pg,browser,e2e,sim}.test.ts"],
          // For what hangs, not for what is slow: a machine may be busy.
          testTimeout: 30_000,
        },
      },
      {
        ...fromSource,
        // Virtual time, but real work: thousands of simulated steps for each seed.
        test: { name: "sim", include: tests(".sim"), exclude: notBuilt, testTimeout: 120_000, hookTimeout: 120_000 },
      },
      {
        ...inBrowser,
        test: {
          name: "chromium",
          include: tests(".browser"),
          exclude: notBuilt,
          browser: { enabled: true, headless: true, screenshotFailures: false, provider: chromium, instances: [{ browser: "chromium" }] },
        },
      },
      {
        ...fromSource,
        // Real processes, killed and started again: one file at a time, after everything else, so that their timings hold.
        test: {
          name: "e2e",
          // Real processes on a machine that others use, too: one more try tells a slow moment from a fault. Faults repeat.
          retry: 1,
          include: tests(".e2e"),
          exclude: notBuilt,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
