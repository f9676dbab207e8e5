import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { guardian, temporaryFolder } from "../guardian.test.support.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const TOLD_WITHIN_MS = 20_000;

let folder: ReturnType<typeof temporaryFolder>;
let child: ChildProcess | undefined;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  folder[Symbol.dispose]();
});

function start(env: Record<string, string>): { readonly text: () => string; readonly ended: Promise<readonly [number | null, string]> } {
  const started = spawn(process.execPath, ["--conditions=source", MAIN, "demo"], {
    env: { ...process.env, TMPDIR: folder.path, TEMP: folder.path, LC_ALL: "C.UTF-8", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child = started;
  let text = "";
  for (const stream of [started.stdout, started.stderr]) stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  return { text: () => text, ended: once(started, "close") as Promise<never> };
}
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
const pidsIn = (text: string): readonly number[] => [
  ...new Set([...text.matchAll(/(?:pid|process) (\d+)/g)].map((match) => Number(match[1]))),
];

describe("the story", () => {
  test("Q1 B1 X8 two devices, one killed twice, and every operation takes effect exactly once", async () => {
    const startedAt = performance.now();
    const { text, ended } = start({ PORT: "0" });
    await expect.poll(text, { timeout: 60_000, interval: 100 }).toContain("The server stays up");
    expect(performance.now() - startedAt).toBeLessThan(TOLD_WITHIN_MS);
    const story = text();
    for (const line of story.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    for (const control of ["\u001b", "\r"]) expect(story).not.toContain(control);
    for (const line of [
      /queue +█{24} +12 waiting, 12 stored on disk/,
      /device B is killed: SIGKILL/i,
      /queue +█{24} +12 waiting, process \d+/,
      /the server has written 4 of its operations; B never got the answer/,
      /syncs +░{24} +0 waiting, 12 applied so far/,
      /enqueued +9 +12\n/,
      /= succeeded +9 +12\n/,
      /still waiting +0 +0\n +balanced +balanced\n/,
      /effects of its operations +9 +12\n/,
      /operations with exactly one effect +9 +12\n/,
      /sent twice, recognised by their keys +0 +4\n/,
      /21 operations, 21 effects, each exactly once\./,
    ])
      expect(story).toMatch(line);
    // A's process, and the three lives of B.
    expect(pidsIn(story).length).toBeGreaterThanOrEqual(3);
    for (const pid of pidsIn(story)) expect(isAlive(pid)).toBe(false);

    await expectPages(/http:\/\/localhost:\d+/.exec(story)?.[0] ?? "");
    child?.kill("SIGINT");
    expect(await ended).toEqual([0, null]);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test.each([300, 1200, 2200])("stopped after %i ms, it leaves no file and no process", async (afterMs) => {
    const { text, ended } = start({ PORT: "0" });
    await expect.poll(() => readdirSync(folder.path).length, { timeout: 30_000, interval: 10 }).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    child?.kill("SIGTERM");
    await ended;
    expect(readdirSync(folder.path)).toEqual([]);
    for (const pid of pidsIn(text())) expect(isAlive(pid)).toBe(false);
  });

  test("C2 on a port that is taken says so, and what to do", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const address = other.address();
    const port = typeof address === "object" ? String(address?.port) : "";
    const { text, ended } = start({ PORT: port });
    expect(await ended).toEqual([1, null]);
    expect(text()).toMatch(new RegExp(`^guardian: Port ${port} of 127.0.0.1 is in use; .*guardian demo --port 8090\n$`));
    expect(await guardian(["demo", "--port", port])).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("is in use") });
    expect(readdirSync(folder.path)).toEqual([]);
    other.close();
  });
});

async function expectPages(url: string): Promise<void> {
  const page = await fetch(url);
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
  const html = await page.text();
  expect(html).toContain('<html lang="en">');
  // Nothing from elsewhere, nothing inline.
  expect(html).not.toMatch(/https?:\/\/|<script>|<style>|\son\w+=|\sstyle=/);
  for (const [, path] of html.matchAll(/(?:href|src)="(\/[^"]*)"/g)) expect((await fetch(url + path)).status, path).toBe(200);
  const state = (await (await fetch(`${url}/story/state.json`)).json()) as {
    readonly devices: readonly unknown[];
    readonly entities: readonly unknown[];
    readonly changes: readonly unknown[];
    readonly head: number;
  };
  expect(state.devices).toMatchObject([
    { name: "A", pid: null, lives: 1, enqueued: 9, succeeded: 9, effects: 9, is_balanced: true, replays: 0 },
    { name: "B", pid: null, lives: 3, enqueued: 12, succeeded: 12, effects: 12, is_balanced: true, replays: 4 },
  ]);
  expect(state.head).toBe(21);
  expect(state.changes).toHaveLength(15);
  expect(state.entities).toContainEqual(
    expect.objectContaining({ id: "lamp-1", data: expect.objectContaining({ name: "Reading lamp", state: { on: true, level: 0.4 } }) }),
  );
}
