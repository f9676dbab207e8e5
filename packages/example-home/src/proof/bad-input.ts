/** BAD-INPUT: what a user or an operator may do wrong. Each is refused with its code and a message that helps; nothing is queued or lost. */
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { memoryStorage } from "@guardian-sync/server/memory";
import { listen } from "@guardian-sync/server/node";
import { createSyncEngine, defineEntity, defineOperation, type SyncEngine, type SyncEngineOptions } from "guardian-sync";
import { memoryStore } from "guardian-sync/memory";
import { sqliteStore } from "guardian-sync/sqlite";
import { Child } from "./child-process.ts";
import { Cleanup } from "./cleanup.ts";
import type { ClientConfig, ClientMessage } from "./client-child.ts";
import { readFeed } from "./feed.ts";
import { device, homeServer, recordHeartRate, sessionOf } from "./home.ts";
import { type Acknowledged, judgeBooks, judgeFeed } from "./oracle.ts";
import { IMPATIENT, openQueue, type QueueFile } from "./queue-file.ts";
import { pause, type Report } from "./report.ts";
import { mountSmallDisk } from "./small-disk.ts";
import { Workload } from "./workload.ts";

interface Refusal {
  readonly what: string;
  readonly code: string;
  /** Exactly what the user gets. */
  readonly message: string;
}
export interface BadInputReport extends Report {
  readonly refusals: readonly Refusal[];
}

const SPACE = "home";
const PRINCIPAL = "ada";
const NOBODY = 65_534;
const KB = 1024;

/** One case: `attempt` must fail with `code`. */
class Ledger {
  readonly refusals: Refusal[] = [];
  readonly faults: string[] = [];

  async refuses(what: string, codes: string | readonly string[], attempt: () => unknown): Promise<void> {
    try {
      await attempt();
    } catch (error) {
      const { name, message, code = name } = error as Error & { readonly code?: string };
      this.note(what, codes, code, message);
      return;
    }
    this.faults.push(`${what}: was accepted`);
  }

  note(what: string, codes: string | readonly string[], code: string, message: string): void {
    this.refusals.push({ what, code, message });
    if (![codes].flat().includes(code)) this.faults.push(`${what}: expected ${[codes].flat().join(" or ")}, got ${code}: ${message}`);
    if (/undefined|\[object|NaN ?ms|\n/.test(message)) this.faults.push(`${what}: its message is not fit for a person: ${message}`);
  }

  check(what: string, holds: boolean): void {
    if (!holds) this.faults.push(what);
  }
}

export async function badInput(): Promise<BadInputReport> {
  const ledger = new Ledger();
  await wrongCalls(ledger);
  await wrongOptions(ledger);
  await wrongFiles(ledger);
  await readOnlyFolder(ledger);
  await fullDisk(ledger);
  await limitedFile(ledger);
  await takenPort(ledger);
  return { scenario: "bad-input", figures: { cases: ledger.refusals.length }, faults: ledger.faults, refusals: ledger.refusals };
}

const namedDevice = defineEntity<{ name: string }>("named_device", {
  collection: "devices",
  schema: {
    "~standard": {
      version: 1,
      vendor: "proof",
      validate: (value) =>
        typeof (value as { readonly name?: unknown }).name === "string"
          ? { value: value as { name: string } }
          : { issues: [{ message: "must be a string", path: ["name"] }] },
    },
  },
});
const blink = defineOperation<{ readonly id: string; readonly device_id?: string }>("device.blink", {
  entity: ({ id }) => device.ref(id),
  request: ({ input }) => ({ method: "POST", path: "/api/v1/rooms/{room}/blink", body: { ...input } }),
});
const unregistered = defineOperation<{ readonly id: string }>("device.forgotten", { entity: ({ id }) => device.ref(id) });

/** Enqueue and run with what cannot be sent. The queue is the same before and after. */
async function wrongCalls(ledger: Ledger): Promise<void> {
  await using cleanup = new Cleanup();
  const { url } = cleanup.closing(await listen(homeServer(memoryStorage())));
  const file = queueFile(join(cleanup.folder(), "queue.db"), url);
  let session: ReturnType<typeof sessionOf> | null = sessionOf(SPACE, PRINCIPAL);
  const sync = cleanup.closing(
    await openQueue(file, {
      backend: { baseUrl: url, session: () => session },
      entities: [device, namedDevice],
      operations: [recordHeartRate, blink],
      maxPending: 3,
      autoStart: false,
    }),
  );
  const update = (payload: unknown) => sync.enqueue({ type: "UPDATE", entityType: "device", entityId: "d1", payload: payload as never });
  const cyclic: Record<string, unknown> = { name: "lamp" };
  cyclic.self = cyclic;
  let deep: unknown = {};
  for (let i = 0; i < 40; i++) deep = { deep };

  await ledger.refuses("payload of 300 KB", "OPERATION_TOO_LARGE", () => update({ text: "x".repeat(300 * KB) }));
  await ledger.refuses("cyclic payload", "INVALID_INPUT", () => update(cyclic));
  await ledger.refuses("NaN in the payload", "INVALID_INPUT", () => update({ rooms: [{ temperature: Number.NaN }] }));
  await ledger.refuses("function in the payload", "INVALID_INPUT", () => update({ onClick: () => {} }));
  await ledger.refuses("date in the payload", "INVALID_INPUT", () => update({ at: new Date() }));
  await ledger.refuses("bigint in the payload", "INVALID_INPUT", () => update({ count: 1n }));
  await ledger.refuses("payload 40 levels deep", "INVALID_INPUT", () => update(deep));
  await ledger.refuses("__proto__ in the payload", "INVALID_INPUT", () => update(JSON.parse('{"__proto__":{"admin":true}}')));
  await ledger.refuses("payload that is a text", "INVALID_OPERATION", () => update("lamp"));
  await ledger.refuses("UPDATE without an id", "INVALID_OPERATION", () =>
    sync.enqueue({ type: "UPDATE", entityType: "device", payload: {} }),
  );
  await ledger.refuses("DELETE with a payload", "INVALID_OPERATION", () =>
    sync.enqueue({ type: "DELETE", entityType: "device", entityId: "d1", payload: { n: 1 } }),
  );
  await ledger.refuses("unknown type MERGE", "UNKNOWN_TYPE", () =>
    sync.enqueue({ type: "MERGE" as never, entityType: "device", entityId: "d1", payload: {} }),
  );
  await ledger.refuses("declared operation given to enqueue", "INVALID_OPERATION", () =>
    sync.enqueue({ type: "RECORD_HEART_RATE" as never, entityType: "monitor", entityId: "m1", payload: {} }),
  );
  await ledger.refuses("unregistered operation", "UNREGISTERED_OPERATION", () => sync.run(unregistered, { id: "d1" }));
  await ledger.refuses("missing path parameter", "MISSING_PATH_PARAMETER", () => sync.run(blink, { id: "d1" }));
  await ledger.refuses("document that its schema refuses", "INVALID_INPUT", () =>
    sync.enqueue({ type: "CREATE", entityType: "named_device", payload: { name: 7 } }),
  );
  await ledger.refuses("one bad write among three", "INVALID_INPUT", () =>
    sync.enqueueMany([
      { type: "UPDATE", entityType: "device", entityId: "d1", payload: { n: 1 } },
      { type: "UPDATE", entityType: "device", entityId: "d1", payload: { n: Number.POSITIVE_INFINITY } },
      { type: "UPDATE", entityType: "device", entityId: "d1", payload: { n: 3 } },
    ]),
  );
  const { enqueued } = await sync.status();
  ledger.check(`after refused calls ${enqueued} operations are queued`, enqueued === 0);

  for (let n = 1; n <= 3; n++) await update({ n });
  await ledger.refuses("a fourth operation with maxPending 3", "QUEUE_FULL", () => update({ n: 4 }));
  ledger.check("QUEUE_FULL queued something", (await sync.status()).enqueued === 3);

  session = null;
  await sync.auth.refresh();
  await ledger.refuses("nobody is signed in", "NO_ACCOUNT", () => update({ n: 5 }));
}

/** Options are checked at once; the message names the option. */
async function wrongOptions(ledger: Ledger): Promise<void> {
  const store = memoryStore();
  const backend = { baseUrl: "http://localhost:1", session: () => sessionOf(SPACE, PRINCIPAL) };
  const create = (options: Partial<SyncEngineOptions>) => async (): Promise<void> => {
    await (await createSyncEngine({ store, backend, autoStart: false, ...options })).close();
  };
  await ledger.refuses(
    "opaque token without session",
    "OPAQUE_TOKEN",
    create({ backend: { baseUrl: backend.baseUrl, getToken: () => "opaque-4711" } }),
  );
  await ledger.refuses("neither session nor getToken", "TypeError", create({ backend: { baseUrl: backend.baseUrl } }));
  await ledger.refuses("baseUrl without a scheme", "TypeError", create({ backend: { ...backend, baseUrl: "api.example.com" } }));
  await ledger.refuses("no store", "TypeError", create({ store: undefined as never }));
  await ledger.refuses("unknown backoff preset", "RangeError", create({ backoff: "turbo" as never }));
  await ledger.refuses("stale time below two heartbeats", "RangeError", create({ lock: { heartbeatMs: 1000, staleMs: 1000 } }));
  await ledger.refuses("batch of 1000", "RangeError", create({ batch: { maxOperations: 1000 } }));
  await ledger.refuses("an operation defined twice", "TypeError", create({ operations: [blink, blink] }));
  await ledger.refuses(
    "session without a principal",
    "TypeError",
    create({
      backend: { ...backend, session: () => ({ account: { space: SPACE } as never, token: "t" }) },
    }),
  );
}

/** Files that must not be touched: refused, and the same to the last byte afterwards. */
async function wrongFiles(ledger: Ledger): Promise<void> {
  await using cleanup = new Cleanup();
  const folder = cleanup.folder();
  const { url } = cleanup.closing(await listen(homeServer(memoryStorage())));
  const file = queueFile(join(folder, "queue.db"), url);
  const acknowledged: Acknowledged[] = [];
  const first = await openQueue(file, { autoStart: false });
  await new Workload(first, { seed: 1, prefix: "kept", onAcknowledged: (one) => acknowledged.push(one) }).step(8);
  await first.close();

  const untouched = async (what: string, code: string, path: string, attempt: () => Promise<SyncEngine>): Promise<void> => {
    const before = digest(path);
    await ledger.refuses(what, code, async () => (await attempt()).close());
    ledger.check(`${what}: the file was changed`, digest(path) === before);
  };
  const otherKey = { ...file, keyHex: randomBytes(32).toString("hex") };
  await untouched("another key", "WRONG_KEY", file.path, () => openQueue(otherKey, { autoStart: false }));
  await untouched("no key, and no key file", "WRONG_KEY", file.path, () =>
    openQueue(file, { autoStart: false, store: sqliteStore({ path: file.path }) }),
  );
  await untouched("encryption none on an encrypted file", "WRONG_KEY", file.path, () =>
    openQueue(file, { autoStart: false, store: sqliteStore({ path: file.path, encryption: "none" }) }),
  );

  const newer = { ...file, path: join(folder, "newer.db") };
  copyFileSync(file.path, newer.path);
  raiseVersion(newer.path);
  await untouched("a queue file of a newer version", "STORE_NEWER", newer.path, () => openQueue(newer, { autoStart: false }));

  const garbage = { ...file, path: join(folder, "garbage.db") };
  writeFileSync(garbage.path, randomBytes(8192));
  await untouched("a file that is no database", "STORAGE_CORRUPT", garbage.path, () => openQueue(garbage, { autoStart: false }));

  const foreign = { ...file, path: join(folder, "foreign.db") };
  const db = new DatabaseSync(foreign.path);
  db.exec("CREATE TABLE songs (title TEXT)");
  db.close();
  await untouched("a database of another program", "STORAGE_CORRUPT", foreign.path, () => openQueue(foreign, { autoStart: false }));

  await ledger.refuses("a folder that does not exist", "STORAGE_UNAVAILABLE", () =>
    openQueue({ ...file, path: join(folder, "no", "such", "queue.db") }),
  );
  await ledger.refuses("a folder in place of the file", "STORAGE_UNAVAILABLE", () => openQueue({ ...file, path: folder }));

  // After all of that, what was queued is still there, and goes.
  const again = cleanup.closing(await openQueue(file, IMPATIENT));
  await again.drain({ timeoutMs: 20_000 });
  const changes = await readFeed(url, SPACE, PRINCIPAL);
  ledger.faults.push(...judgeFeed(acknowledged, changes).faults, ...judgeBooks(await again.status(), changes.length));
}

async function readOnlyFolder(ledger: Ledger): Promise<void> {
  await using cleanup = new Cleanup();
  const disk = mountSmallDisk(cleanup, 4096);
  if (disk !== undefined) {
    const file = queueFile(join(disk.path, "queue.db"));
    const sync = await openQueue(file, { autoStart: false });
    await sync.enqueue({ type: "CREATE", entityType: "device", entityId: "d1", payload: { n: 1 } });
    await sync.close();
    disk.makeReadOnly();
    await ledger.refuses("a new queue on a read-only disk", "STORAGE_READ_ONLY", () =>
      openQueue({ ...file, path: join(disk.path, "new.db") }),
    );
    await ledger.refuses("a new queue with a key file, on a read-only disk", "STORAGE_READ_ONLY", () =>
      openQueue(file, { store: sqliteStore({ path: join(disk.path, "new.db") }) }),
    );
    await ledger.refuses("an existing queue on a read-only disk", "STORAGE_READ_ONLY", () => openQueue(file));
  }
  const folder = cleanup.folder();
  const file = queueFile(join(folder, "queue.db"));
  chmodSync(folder, 0o555);
  cleanup.add(() => chmodSync(folder, 0o755));
  if (process.getuid?.() !== 0) {
    await ledger.refuses("a folder that this user may not write", "STORAGE_READ_ONLY", () => openQueue(file));
    return;
  }
  // Root may write everywhere: somebody else tries.
  const config: ClientConfig = { file, tuning: { autoStart: false }, seed: "1", prefix: "p", maxWaiting: 0 };
  const child = new Child<ClientMessage>(cleanup, "./client-child.ts", config, { uid: NOBODY });
  const answered = await child.hear("refused");
  ledger.note("a folder that this user may not write", "STORAGE_READ_ONLY", answered.code, answered.message);
}

/** A disk that fills up: refused, nothing lost; with space again everything goes on. */
async function fullDisk(ledger: Ledger): Promise<void> {
  await using cleanup = new Cleanup();
  const disk = mountSmallDisk(cleanup, 1024);
  if (disk === undefined) return;
  const { url } = cleanup.closing(await listen(homeServer(memoryStorage())));
  const file = queueFile(join(disk.path, "queue.db"), url);
  const acknowledged: Acknowledged[] = [];
  const sync = cleanup.closing(await openQueue(file, { ...IMPATIENT, autoStart: false }));
  const workload = new Workload(sync, { seed: 1, prefix: "full", onAcknowledged: (one) => acknowledged.push(one) });
  await ledger.refuses("a full disk", "STORAGE_FULL", async () => {
    for (;;) await workload.step();
  });
  const { enqueued, conserved } = await sync.status();
  ledger.check(
    `a full disk: ${acknowledged.length} operations were acknowledged, ${enqueued} are queued`,
    enqueued >= acknowledged.length && conserved,
  );
  await ledger.refuses("the disk is still full", "STORAGE_FULL", () =>
    sync.enqueue({ type: "CREATE", entityType: "device", entityId: "more", payload: { n: 1, text: "x".repeat(100 * KB) } }),
  );
  // Sending cannot be written down either, so nothing is sent, or it waits to be told again: nothing is lost by trying.
  sync.start();
  await pause(300);
  ledger.check("a full disk: an operation failed because of it", (await sync.status()).failed === 0);
  disk.grow(8192);
  await sync.enqueue({ type: "CREATE", entityType: "device", entityId: "space-again", payload: { n: 1 } });
  await sync.drain({ timeoutMs: 30_000 });
  const changes = await readFeed(url, SPACE, PRINCIPAL);
  const { figures, faults } = judgeFeed(acknowledged, changes);
  // A step that was refused in its middle leaves a gap in the numbers of its device: versions are judged elsewhere.
  const serious = figures.wrong_versions === 0 ? faults : faults.filter((fault) => !fault.includes("version"));
  ledger.faults.push(...serious, ...judgeBooks(await sync.status(), changes.length));
}

/** The same where nothing can be mounted: a limit on the size of files, in a process of its own. */
async function limitedFile(ledger: Ledger): Promise<void> {
  if (process.platform === "win32") return;
  await using cleanup = new Cleanup();
  const file = queueFile(join(cleanup.folder(), "queue.db"));
  const config: ClientConfig = { file, tuning: { autoStart: false }, seed: "1", prefix: "p", maxWaiting: 0 };
  // `ulimit -f` counts blocks of 512 bytes. The signal that goes with it would end the process before SQLite could say anything.
  const wrapper = ["/bin/sh", "-c", 'trap "" XFSZ; ulimit -f 2000; exec "$@"', "sh"];
  const child = new Child<ClientMessage>(cleanup, "./client-child.ts", config, { wrapper });
  await child.hear("ready");
  child.tell({ do: "fill" });
  const answered = await child.hear("refused");
  ledger.note("a file at the limit of its size", ["STORAGE_FULL", "STORAGE_UNAVAILABLE"], answered.code, answered.message);
  const stored = child.messages.filter(({ says }) => says === "stored").length;
  child.tell({ do: "status", tag: 1 });
  const { status } = await child.hear("status");
  await child.kill();
  const sync = cleanup.closing(await openQueue(file, { autoStart: false }));
  const { enqueued } = await sync.status();
  ledger.check(`a limited file: ${stored} stored, ${enqueued} found again`, enqueued >= stored && enqueued === status.enqueued);
}

async function takenPort(ledger: Ledger): Promise<void> {
  await using cleanup = new Cleanup();
  const { port } = cleanup.closing(await listen(homeServer(memoryStorage())));
  await ledger.refuses("a port that is in use", "PORT_IN_USE", () => listen(homeServer(memoryStorage()), { port }));
  await ledger.refuses("an address of another machine", "ADDRESS_UNAVAILABLE", () =>
    listen(homeServer(memoryStorage()), { host: "203.0.113.7" }),
  );
}

function queueFile(path: string, baseUrl = "http://127.0.0.1:1"): QueueFile {
  return { path, keyHex: "ab".repeat(32), baseUrl, space: SPACE, principal: PRINCIPAL };
}

/** Of the database and what SQLite keeps beside it. */
function digest(path: string): string {
  const hash = createHash("sha256");
  for (const file of [path, `${path}-wal`]) if (existsSync(file)) hash.update(readFileSync(file));
  return hash.digest("hex");
}

function raiseVersion(path: string): void {
  const db = new DatabaseSync(path);
  const { user_version: version } = db.prepare("PRAGMA user_version").get() as { readonly user_version: number };
  db.exec(`PRAGMA user_version = ${version + 1}`);
  db.close();
}
