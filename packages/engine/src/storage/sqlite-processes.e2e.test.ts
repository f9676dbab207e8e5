import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { pathToFileURL } from "node:url";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSegment, parseContent } from "../format/index.ts";
import type { OpenedStore } from "../ports/index.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { ann, at, STOPPED_CLOCK } from "../testing/store-contract-world.ts";
import { FileLock } from "./file-lock.ts";
import { sqliteStore } from "./sqlite.ts";

const KILLS = 12;

let folder: string;
let path: string;
let children: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guardian-processes-"));
  path = join(folder, "queue.db");
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const source = (file: string): string => pathToFileURL(join(import.meta.dirname, "..", file)).href;
const PRELUDE = `
  import { randomBytes } from "node:crypto";
  import { sqliteStore } from "${source("storage/sqlite.ts")}";
  import { FileLock } from "${source("storage/file-lock.ts")}";
  import { ann, ContractWorld, STOPPED_CLOCK } from "${source("testing/store-contract-world.ts")}";
  const [path, name, limit] = process.argv.slice(1);
  const random = { fraction: Math.random, bytes: (length) => new Uint8Array(randomBytes(length)) };
  const say = (line) => new Promise((done) => process.stdout.write(line + "\\n", done));
  const openQueue = () => sqliteStore({ path }).open({ clock: STOPPED_CLOCK, random });
`;
/** Appends groups of one to four, and says so each time they are durable. */
const APPEND = `
  const opened = await openQueue();
  const world = new ContractWorld({ open: () => Promise.resolve(opened) }, name);
  for (let i = 0; i < Number(limit); i++) {
    const count = 1 + (i % 4);
    const [seq] = await opened.store.append([await world.segment(opened, ann(opened), count)]);
    await say(seq + " " + count);
  }
  await opened.store.close();
`;
const OPEN = `
  const opened = await openQueue();
  await say(opened.store.storeId + " " + Buffer.from(opened.tagKey).toString("hex"));
  await opened.store.close();
`;
const HOLD = `
  const lock = new FileLock(path + ".lock");
  await say(String(await lock.tryAcquire()));
  // Held on to: the lock of an object that is collected is let go.
  setInterval(() => lock, 1000);
`;

interface Running {
  readonly child: ChildProcess;
  readonly lines: Interface;
}

function start(program: string, ...args: readonly string[]): Running {
  const flags = ["--conditions=source", "--input-type=module-typescript", "--eval", PRELUDE + program, "--", path, ...args];
  const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  if (child.stdout === null) throw new Error("the child has an output");
  return { child, lines: createInterface({ input: child.stdout }) };
}
async function linesOf({ child, lines }: Running): Promise<readonly string[]> {
  const said: string[] = [];
  lines.on("line", (line) => said.push(line));
  await Promise.all([once(lines, "close"), once(child, "exit")]);
  return said;
}

function openHere(): Promise<OpenedStore> {
  return sqliteStore({ path }).open({ clock: STOPPED_CLOCK, random: new SeededRandom(1) });
}

/** Every seq that is in the file, with readable content, by reading all of it. */
async function seqsOf(opened: OpenedStore): Promise<Set<number>> {
  const seqs = new Set<number>();
  for (const row of await opened.store.readSegments(ann(opened), at(1), 1_000_000)) {
    for (const [i, line] of (await openSegment(opened.keys, opened.store.storeId, row)).entries()) {
      parseContent(line);
      seqs.add(row.seqFrom + i);
    }
  }
  return seqs;
}

test("Q1 a process killed again and again in the middle of its appends loses nothing that it acknowledged", async () => {
  const acknowledged = new Set<number>();
  const random = new SeededRandom("kills");
  for (let kill = 0; kill < KILLS; kill++) {
    const running = start(APPEND, `writer-${kill}`, "1000000");
    let last = Math.max(0, ...acknowledged);
    const heard = new Promise<void>((resolve) => {
      const enough = random.integer(20, 200);
      let groups = 0;
      running.lines.on("line", (line) => {
        const [seq = 0, count = 0] = line.split(" ").map(Number);
        expect(seq).toBeGreaterThan(last);
        last = seq + count - 1;
        for (let i = 0; i < count; i++) acknowledged.add(seq + i);
        if (++groups === enough) resolve();
      });
    });
    await heard;
    running.child.kill("SIGKILL");
    await Promise.all([once(running.lines, "close"), once(running.child, "exit")]);

    const opened = await openHere();
    const found = await seqsOf(opened);
    expect([...acknowledged].filter((seq) => !found.has(seq))).toEqual([]);
    expect((await opened.store.readAccount(ann(opened)))?.counts).toMatchObject({ enqueued: found.size, pending: found.size });
    expect(await opened.store.checkIntegrity()).toEqual({ ok: true, problems: [] });
    await opened.store.close();
  }
  expect(acknowledged.size).toBeGreaterThan(KILLS * 20);
});

test("Q2 processes that write one file at once get seqs of their own, in the order of their calls", async () => {
  const writers = ["one", "two", "three"].map((name) => linesOf(start(APPEND, name, "150")));
  const taken = new Set<number>();
  for (const lines of await Promise.all(writers)) {
    expect(lines.length).toBe(150);
    let last = 0;
    for (const line of lines) {
      const [seq = 0, count = 0] = line.split(" ").map(Number);
      expect(seq).toBeGreaterThan(last);
      last = seq + count - 1;
      for (let i = 0; i < count; i++) {
        expect(taken.has(seq + i)).toBe(false);
        taken.add(seq + i);
      }
    }
  }
  const opened = await openHere();
  expect(await seqsOf(opened)).toEqual(taken);
  expect((await opened.store.readAccount(ann(opened)))?.counts.enqueued).toBe(taken.size);
  for (const row of await opened.store.readSegments(ann(opened), at(1), 1000)) {
    expect((await opened.store.findSegments(ann(opened), row.idMin)).map(({ segmentId }) => segmentId)).toContain(row.segmentId);
  }
  await opened.store.close();
});

test("Q3 processes that make one file at once agree on its identity and its key", async () => {
  const openers = Array.from({ length: 5 }, () => linesOf(start(OPEN)));
  const said = new Set((await Promise.all(openers)).flat());
  expect(said.size).toBe(1);
  const opened = await openHere();
  expect([...said][0]?.split(" ")[0]).toBe(opened.store.storeId);
  await opened.store.close();
});

test("L1 the fast lock is busy while its holder runs or is stopped, and free at once when it was killed", async () => {
  const { child, lines } = start(HOLD);
  expect((await once(lines, "line"))[0]).toBe("true");
  const mine = new FileLock(`${path}.lock`);
  expect(await mine.tryAcquire()).toBe(false);
  child.kill("SIGSTOP");
  await wait(300);
  expect(await mine.tryAcquire()).toBe(false);
  child.kill("SIGCONT");
  expect(await mine.tryAcquire()).toBe(false);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(await mine.tryAcquire()).toBe(true);

  const late = start(HOLD);
  expect((await once(late.lines, "line"))[0]).toBe("false");
  await mine.release();
});
