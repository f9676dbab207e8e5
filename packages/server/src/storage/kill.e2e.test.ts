import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";

const KILLS = 8;
const OPERATIONS = 400;

const folder = mkdtempSync(join(tmpdir(), "guardian-kill-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const source = (file: string): string => pathToFileURL(join(import.meta.dirname, "..", file)).href;

/** A server of its own process, with a schema that takes everything. */
const program = `
  import { createSyncServer } from "${source("index.ts")}";
  import { listen } from "${source("http/node.ts")}";
  import { sqliteStorage } from "${source("storage/sqlite.ts")}";
  const schema = { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } };
  const server = createSyncServer({
    storage: sqliteStorage({ path: ${JSON.stringify(join(folder, "server.db"))} }),
    collections: { notes: { entityType: "note", schema } },
    authenticate: () => ({ principal: "ada", space: "home", roles: [] }),
    rateLimit: { perPrincipal: 1e9, perAddress: 1e9 },
  });
  process.stdout.write((await listen(server)).url + "\\n");
`;

function start(): Promise<{ readonly url: string; readonly child: ChildProcess }> {
  return new Promise((resolve, reject) => {
    const args = ["--conditions=source", "--input-type=module-typescript", "--eval", program];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    child.stdout?.once("data", (url: Buffer) => resolve({ url: url.toString().trim(), child }));
  });
}

interface Pending {
  readonly key: string;
  readonly id: string;
}

async function create(url: string, { key, id }: Pending): Promise<{ readonly status: number; readonly isReplay: boolean }> {
  const meta = { trace_id: key, timestamp: new Date().toISOString() };
  const answer = await fetch(`${url}/api/v1/notes`, {
    method: "POST",
    body: JSON.stringify({ meta, payload: { id, text: id } }),
    headers: { "content-type": "application/json", "idempotency-key": key },
  });
  await answer.arrayBuffer();
  return { status: answer.status, isReplay: answer.headers.get("idempotent-replayed") === "true" };
}

test("B1 B3 a server killed again and again, in the middle of its commits, loses nothing it answered and applies nothing twice", async () => {
  const all: Pending[] = Array.from({ length: OPERATIONS }, () => ({ key: crypto.randomUUID(), id: crypto.randomUUID() }));
  const waiting = new Set(all);
  const answered = new Set<Pending>();
  for (let kill = 0; kill <= KILLS; kill++) {
    const { url, child } = await start();
    // Everything that was ever answered must be there, whatever happened since.
    for (const one of answered) expect(await create(url, one)).toEqual({ status: 201, isReplay: true });
    const quota = kill === KILLS ? waiting.size : Math.ceil(OPERATIONS / (KILLS + 1));
    let done = 0;
    const sender = async (): Promise<void> => {
      for (const one of waiting) {
        if (done >= quota) return;
        waiting.delete(one);
        try {
          const { status } = await create(url, one);
          expect(status).toBe(201);
          answered.add(one);
          if (++done === quota && kill < KILLS) child.kill("SIGKILL");
        } catch (error) {
          // No answer: whether it was applied is not known, so it is sent again.
          if (child.signalCode === null && child.exitCode === null && !child.killed) throw error;
          waiting.add(one);
          return;
        }
      }
    };
    await Promise.all(Array.from({ length: 10 }, sender));
    if (kill === KILLS) {
      expect([answered.size, waiting.size]).toEqual([OPERATIONS, 0]);
      const page = await fetch(`${url}/api/v1/sync/changes?limit=1000`);
      const { data } = (await page.json()) as { data: { head_seq: number; changes: { seq: number; entity_id: string }[] } };
      expect(data.head_seq).toBe(OPERATIONS);
      expect(data.changes.map(({ seq }) => seq)).toEqual(Array.from({ length: OPERATIONS }, (_, index) => index + 1));
      expect(new Set(data.changes.map(({ entity_id }) => entity_id))).toEqual(new Set(all.map(({ id }) => id)));
    }
    child.removeAllListeners("exit");
    const gone = child.exitCode === null && child.signalCode === null ? new Promise((resolve) => child.once("exit", resolve)) : undefined;
    child.kill("SIGKILL");
    await gone;
  }
});
