/** The command beside an app that has the queue open. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createSyncEngine, defineEntity, type Platform, type SyncEngine } from "guardian-sync";
import { sqliteStore } from "guardian-sync/sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { guardian, KEY, openApp, type Ran, temporaryFolder } from "./guardian.test.support.ts";

let folder: ReturnType<typeof temporaryFolder>;
let db: string;
let app: SyncEngine | undefined;
beforeEach(() => {
  folder = temporaryFolder();
  db = join(folder.path, "app.db");
});
afterEach(async () => {
  await app?.close();
  app = undefined;
  folder[Symbol.dispose]();
});
const run = (...args: readonly string[]): Promise<Ran> => guardian(args, { env: { GUARDIAN_DB: db, GUARDIAN_KEY: KEY } });
const create = (entityId: string): Promise<unknown> =>
  (app as SyncEngine).enqueue({ type: "CREATE", entityType: "room", entityId, payload: { name: entityId } });

test("C2 an app enqueues and sends while the queue is looked at, exported and changed", async () => {
  app = await openApp(db);
  for (const id of ["bad-1", "ok-1", "bad-2"]) await create(id);
  await app.drain();
  let isBusy = true;
  let created = 3;
  const work = (async () => {
    while (isBusy) {
      await create(`ok-${++created}`);
      await sleep(2);
    }
  })();
  const results = await Promise.all([
    run("status", "--json"),
    run("export", "--json"),
    run("index", "verify"),
    run("failed", "archive", "--older-than", "0s", "--yes"),
  ]);
  isBusy = false;
  await work;
  expect(results.map(({ code, stderr }) => ({ code, stderr }))).toEqual(results.map(() => ({ code: 0, stderr: "" })));
  expect(results[3]?.stdout).toBe("2 operations were archived.\n");
  expect((await app.drain()).empty).toBe(true);
  const status = await app.status();
  expect(status).toMatchObject({ enqueued: created, succeeded: created - 2, archived: 2, failed: 0, conserved: true });
});

test("L3 a lock taken from an app that hangs: its write is refused, nothing is lost", async () => {
  // The backend never answers the first request.
  let release: (() => void) | undefined;
  let requests = 0;
  const transport: Platform["transport"] = {
    exchange: async ({ url }) => {
      const answered = { kind: "answer", headers: {}, body: "{}", elapsedMs: 1 } as const;
      if (url.includes("/sync/")) return { ...answered, status: 404 };
      requests += 1;
      if (requests === 1)
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      return { ...answered, status: 200 };
    },
    close: () => Promise.resolve(),
  };
  app = await createSyncEngine({
    store: sqliteStore({ path: db, encryption: { key: KEY } }),
    backend: { baseUrl: "http://localhost:1", session: () => ({ account: { space: "home", principal: "ada" }, token: "t" }), level: 2 },
    entities: [defineEntity("room", { collection: "rooms" })],
    platform: { transport },
  });
  await create("r1");
  await expect.poll(() => requests).toBe(1);
  const held = await run("lock", "show", "--json");
  const { owner, fence } = JSON.parse(held.stdout) as { readonly owner: string; readonly fence: number };
  expect(JSON.parse(held.stdout)).toMatchObject({ held: true, last_forced_release: null });
  expect((await run("lock", "show")).stdout).toContain(`held by ${owner}, fence ${fence}`);

  expect(await run("lock", "release")).toMatchObject({ code: 2, stderr: expect.stringContaining("--reason") });
  expect(await run("lock", "release", "--reason", "hangs")).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
  expect((await run("lock", "release", "--reason", "hangs", "--dry-run")).stdout).toContain("Would be released");
  const freed = await run("lock", "release", "--reason", "hangs", "--yes", "--json");
  expect(JSON.parse(freed.stdout)).toMatchObject({ released: true, was: { owner, fence } });
  expect(JSON.parse((await run("lock", "show", "--json")).stdout)).toMatchObject({ held: false, last_forced_release: { reason: "hangs" } });
  expect((await run("lock", "release", "--reason", "again", "--yes")).stdout).toContain("Nothing to release");

  // What the old holder learnt is refused; it takes the lock again, and sends the same bytes once more.
  release?.();
  expect((await app.drain()).empty).toBe(true);
  expect(await app.status()).toMatchObject({ enqueued: 1, succeeded: 1, conserved: true });
  expect(requests).toBe(2);
});

test("status --watch goes on until it is told to stop", async () => {
  app = await openApp(db);
  await create("ok-1");
  const { startGuardian } = await import("./guardian.test.support.ts");
  const child = startGuardian(["status", "--watch", "--json"], { env: { GUARDIAN_DB: db, GUARDIAN_KEY: KEY } });
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await expect.poll(() => text.split("\n").length, { timeout: 15_000 }).toBeGreaterThan(2);
  child.kill("SIGINT");
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect(code).toBe(0);
  for (const line of text.trimEnd().split("\n")) expect(JSON.parse(line)).toMatchObject({ accounts: [{ principal: "ada" }] });
});
