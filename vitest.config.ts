import { defineConfig } from "vitest/config";

// Workspaces run from their sources: the condition `source` comes first in every package's exports.
const conditions = ["source"];
const fromSource = { resolve: { conditions }, ssr: { resolve: { conditions, externalConditions: conditions } } };

const tests = (kind: string): string[] => [`{packages,apps,simulator}/**/src/**/*${kind}.test.ts`];
const notBuilt = ["**/node_modules/**", "**/dist/**"];

export default defineConfig({
  test: {
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**/*.ts", "simulator/src/**/*.ts"],
      exclude: ["**/*.test.ts"],
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
        },
      },
      {
        ...fromSource,
        // Virtual time, but real work: thousands of simulated steps for each seed.
        test: { name: "sim", include: tests(".sim"), exclude: notBuilt, testTimeout: 120_000, hookTimeout: 120_000 },
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
