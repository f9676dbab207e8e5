import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const LAUNCHER = fileURLToPath(new URL("../bin/guardian.mjs", import.meta.url));
/** Makes the launcher believe that it runs on an old Node; the Node it restarts on does not inherit this. */
const OLD_NODE = [
  "--import",
  'data:text/javascript,Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.1.0" } })',
];

test("guardian --version works in a checkout that was never built", () => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  const { stdout, stderr } = spawnSync(process.execPath, [LAUNCHER, "--version"], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout.trim()).toBe(version);
});

describe("on a Node that is too old", () => {
  let dir: string;
  let launcher: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "guardian-launcher-"));
    launcher = join(dir, "bin", "guardian.mjs");
    for (const folder of ["bin", "src", join("node_modules", ".bin")]) mkdirSync(join(dir, folder), { recursive: true });
    cpSync(LAUNCHER, launcher);
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const pinNode = (): void => symlinkSync(process.execPath, join(dir, "node_modules", ".bin", "node"));
  const main = (source: string): void => writeFileSync(join(dir, "src", "main.ts"), source);

  test("it says so in two lines and exits with 1 when no other Node is at hand", () => {
    const { status, stderr } = spawnSync(process.execPath, [...OLD_NODE, launcher], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr.trim().split("\n")).toHaveLength(2);
    expect(stderr).toContain("guardian needs Node 24.15 or newer");
  });

  test("it runs again on the pinned Node, with the arguments and the exit code passed on", () => {
    pinNode();
    main("console.log(process.argv.slice(2).join()); process.exitCode = 7;");
    const { status, stdout } = spawnSync(process.execPath, [...OLD_NODE, launcher, "status", "--json"], { encoding: "utf8" });
    expect(stdout.trim()).toBe("status,--json");
    expect(status).toBe(7);
  });

  test.each(["SIGINT", "SIGTERM"] as const)("it lets the child decide about %s", async (signal) => {
    pinNode();
    main(`process.on("${signal}", () => setTimeout(() => process.exit(9), 100)); setInterval(() => {}, 1000); console.log("ready");`);
    const parent = await started();
    parent.kill(signal);
    expect(await once(parent, "exit")).toEqual([9, null]);
  });

  test("it dies of the signal that the child died of", async () => {
    pinNode();
    main('setInterval(() => {}, 1000); console.log("ready");');
    const parent = await started();
    parent.kill("SIGTERM");
    expect(await once(parent, "exit")).toEqual([null, "SIGTERM"]);
  });

  async function started(): Promise<ChildProcess> {
    const parent = spawn(process.execPath, [...OLD_NODE, launcher], { stdio: ["ignore", "pipe", "inherit"] });
    await once(parent.stdout, "data");
    return parent;
  }
});
