/** For the tests of this package: queue files as an app would leave them, and the real command in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { createSyncEngine, defineEntity, type Platform, type SyncEngine } from "guardian-sync";
import { sqliteStore } from "guardian-sync/sqlite";

const LAUNCHER = fileURLToPath(new URL("../bin/guardian.mjs", import.meta.url));
export const KEY: string = "0123456789abcdef".repeat(4);

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** The command, with a clean environment, its standard streams as pipes. */
export function startGuardian(args: readonly string[], { env = {} }: RunOptions = {}): ChildProcess {
  const { GUARDIAN_DB: _db, GUARDIAN_KEY: _key, NO_COLOR: _no, FORCE_COLOR: _force, NODE_OPTIONS: _options, ...rest } = process.env;
  return spawn(process.execPath, [LAUNCHER, ...args], { stdio: ["pipe", "pipe", "pipe"], env: { ...rest, ...env } });
}

export async function guardian(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = startGuardian(args, options);
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) child[name]?.setEncoding("utf8").on("data", (text: string) => (texts[name] += text));
  child.stdin?.end(options.input ?? "");
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...texts };
}

/** A folder that is gone after the test. */
export function temporaryFolder(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), "guardian-cli-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

const account = { space: "home", principal: "ada" };

/** An app on a queue file. Its backend refuses entities whose id begins with `bad`, and applies all others. */
export function openApp(
  path: string,
  options: { readonly principal?: string; readonly isOnline?: () => boolean } = {},
): Promise<SyncEngine> {
  const { principal = account.principal, isOnline = () => true } = options;
  const transport: Platform["transport"] = {
    exchange: async ({ url, body = "" }) => {
      const answer = (status: number, content: unknown): Awaited<ReturnType<Platform["transport"]["exchange"]>> => ({
        kind: "answer",
        status,
        headers: { "content-type": "application/json" },
        body: JSON.stringify(content),
        elapsedMs: 1,
      });
      if (url.includes("/sync/")) return answer(404, {});
      const isRefused = url.includes("/bad") || body.includes('"bad');
      return isRefused ? answer(422, { error: { code: "VALIDATION_ERROR", message: 'write to bob@example.com\n"now"' } }) : answer(200, {});
    },
    close: () => Promise.resolve(),
  };
  return createSyncEngine({
    store: sqliteStore({ path, encryption: { key: KEY } }),
    backend: { baseUrl: "http://localhost:1", session: () => ({ account: { ...account, principal }, token: "t" }), level: 2 },
    entities: [defineEntity("room", { collection: "rooms" })],
    platform: { transport, connectivity: { online: isOnline, subscribe: () => () => {} } },
  });
}

/** A queue file with three failed operations, two that wait (one under an id that a spreadsheet would run), and one that succeeded. */
export async function makeQueueFile(
  path: string,
  principal?: string,
): Promise<{ readonly failed: readonly string[]; readonly pending: readonly string[] }> {
  const sync = await openApp(path, principal === undefined ? {} : { principal });
  const failed: string[] = [];
  for (const name of ["bad-1", "bad-2", "bad-3"]) {
    const payload = { name, email: "ada@example.com", password: "hunter2" };
    failed.push((await sync.enqueue({ type: "CREATE", entityType: "room", entityId: name, payload })).id);
  }
  await sync.enqueue({ type: "CREATE", entityType: "room", entityId: "good", payload: { name: "good" } });
  const { empty, reason } = await sync.drain({ timeoutMs: 10_000 });
  if (!empty) throw new Error(`the fixture did not drain: ${reason}`);
  await sync.stop();
  const pending: string[] = [];
  for (const entityId of ["=1+1", "r2"]) {
    const payload = { name: "Kitchen", email: "eve@example.com", token: "abc" };
    pending.push((await sync.enqueue({ type: "UPDATE", entityType: "room", entityId, payload })).id);
  }
  await sync.close();
  return { failed, pending };
}

/** What was written to a stream so far. */
export function written(stream: Readable): string {
  let text = "";
  for (let chunk: unknown = stream.read(); chunk !== null; chunk = stream.read()) text += String(chunk);
  return text;
}
