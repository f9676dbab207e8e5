import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { FAULTS } from "./model.ts";
import { MUTANTS } from "./mutants/all.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

function simulator(...argv: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--conditions=source", MAIN, ...argv], { encoding: "utf8" });
  return { status, stdout, stderr };
}

describe("npm run simulate", () => {
  test("C2 --json prints one object and nothing else, with the promised members", () => {
    const { status, stdout } = simulator("--seeds", "30", "--json");
    const report = JSON.parse(stdout) as Record<string, unknown>;
    expect(report).toMatchObject({
      seeds: 30,
      simulated_hours: expect.any(Number),
      operations: expect.any(Number),
      violations: [],
      determinism: { different: 0 },
    });
    expect(Object.keys(report.faults as object)).toEqual([...FAULTS]);
    expect((report.mutants as { name: string; caught: boolean; seeds: number }[]).map(({ name, caught }) => [name, caught])).toEqual(
      MUTANTS.map(({ name }) => [name, true]),
    );
    expect(status).toBe(0);
  });

  test("C2 threads change nothing but the time", () => {
    const [one, two] = ["1", "2"].map((workers) => {
      const { stdout } = simulator("--seeds", "30", "--workers", workers, "--no-mutants", "--json");
      return (JSON.parse(stdout) as { determinism: { log_hash: string } }).determinism.log_hash;
    });
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(two).toBe(one);
  });

  test("C2 one seed prints what happened in it, without contents or tokens", () => {
    const { status, stdout } = simulator("--seed", "3", "--no-mutants");
    expect(stdout).toMatch(/^00:00:00\.000 {2}d1\.p1#1 +starts$/m);
    expect(stdout).toMatch(/sends POST \/api\/v1\/sync\/ops \[1:\w+/);
    expect(stdout).toMatch(/seed 3: all promises held/);
    expect(stdout).not.toMatch(/KaNaRy|ToKeNsEcReT/);
    expect(status).toBe(0);
  });

  test("C2 a mutant's replay names the broken promise and the command", () => {
    const { stdout } = simulator("--seed", "1", "--mutant", "new key per try");
    expect(stdout).toMatch(/INV2 at .*\n +replay: npm run simulate -- --seed 1 --mutant "new key per try"/);
  });

  test.each([[["--seeds", "none"]], [["--frobnicate"]], [["--seed", "1", "--mutant", "nobody"]]])(
    "C2 %j ends with 2 and a message, nothing on standard output",
    (argv) => {
      const { status, stdout, stderr } = simulator(...argv);
      expect([status, stdout]).toEqual([2, ""]);
      expect(stderr).toMatch(/^simulate: /m);
    },
  );
});
