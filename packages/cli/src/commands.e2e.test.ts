import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { guardian, KEY, makeQueueFile, type Ran, temporaryFolder } from "./guardian.test.support.ts";

const HEADER =
  "id,operation_type,entity_type,entity_id,enqueued_at,attempt_count,next_retry_at,backoff_ms,status,idempotency_key,trace_id,last_error";
const SECRETS = /ada@example|eve@example|bob@example|hunter2|"abc"/;

let root: ReturnType<typeof temporaryFolder>;
let template: string;
let known: Awaited<ReturnType<typeof makeQueueFile>>;
let folder: string;
let db: string;
let files = 0;

beforeAll(async () => {
  root = temporaryFolder();
  template = join(root.path, "template.db");
  known = await makeQueueFile(template);
});
afterAll(() => root[Symbol.dispose]());
beforeEach(() => {
  folder = join(root.path, `${files++}`);
  mkdirSync(folder);
  db = join(folder, "app.db");
  copyFileSync(template, db);
});

const run = (...args: readonly string[]): Promise<Ran> => guardian(args, { env: { GUARDIAN_DB: db, GUARDIAN_KEY: KEY } });
const json = async <T>(...args: readonly string[]): Promise<T> => {
  const { code, stdout, stderr } = await run(...args, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as T;
};
/** A mistake of the user: its exit code, words on stderr, nothing on stdout, no stack, no trace of it on disk. */
async function expectRefusal(ran: Promise<Ran>, code: number, words: RegExp): Promise<void> {
  const { code: actual, stdout, stderr } = await ran;
  expect({ actual, stdout }).toEqual({ actual: code, stdout: "" });
  expect(stderr).toMatch(words);
  expect(stderr).not.toMatch(/\n\s+at |node:internal/);
}

/** A few at a time: each is a process. */
async function together(list: readonly (readonly string[])[], act: (args: readonly string[]) => Promise<void>): Promise<void> {
  const left = [...list];
  const work = async (): Promise<void> => {
    for (let args = left.shift(); args !== undefined; args = left.shift()) await act(args);
  };
  await Promise.all([work(), work(), work()]);
}

describe("C2 every command that opens a queue", () => {
  const commands = [
    ["status"],
    ["export"],
    ["failed", "list"],
    ["failed", "show", "x"],
    ["failed", "retry", "--all"],
    ["lock", "show"],
    ["lock", "release", "--reason", "r"],
    ["index", "verify"],
    ["index", "rebuild"],
    ["pause", "--reason", "r"],
    ["resume"],
  ];

  test("refuses a file that is not there, and does not make one", async () => {
    const missing = join(folder, "missing.db");
    await together(commands, async (args) => {
      await expectRefusal(guardian([...args, "--db", missing], {}), 1, /There is no queue file .*missing\.db\. Nothing was made/);
      await expectRefusal(guardian(args, {}), 2, /--db PATH.*GUARDIAN_DB/);
    });
    expect(readdirSync(folder)).toEqual(["app.db"]);
  });

  test("refuses a wrong key, a malformed one, and other files, and leaves them as they are", async () => {
    const before = readFileSync(db);
    await expectRefusal(guardian(["status", "--db", db, "--key", "f".repeat(64)], {}), 1, /key/);
    await expectRefusal(guardian(["status", "--db", db, "--key", "s3cret"], {}), 2, /64 hex digits/);
    await expectRefusal(guardian(["status", "--db", db, "--key", "none"], {}), 1, /key/i);
    await expectRefusal(guardian(["status", "--db", db], {}), 1, /key file .*app\.db\.key is missing/);
    expect(readFileSync(db).equals(before)).toBe(true);
    writeFileSync(join(folder, "notes.txt"), "no database, but long enough to look like one ".repeat(100));
    await expectRefusal(run("status", "--db", join(folder, "notes.txt")), 1, /notes\.txt/);
    await expectRefusal(run("status", "--db", folder), 1, /is no file/);
    writeFileSync(join(folder, "empty.db"), "");
    await expectRefusal(run("status", "--db", join(folder, "empty.db")), 1, /is empty/);
    expect(existsSync(`${db}.key`)).toBe(false);
  });

  test("tells errors to machines as JSON, still on stderr", async () => {
    const { code, stdout, stderr } = await run("status", "--account", "home/nobody", "--json");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(JSON.parse(stderr)).toEqual({ error: { code: "NOT_FOUND", message: expect.stringContaining("It has: home/ada.") } });
  });
});

describe("C2 help and mistakes in the command line", () => {
  test("every --help has examples", async () => {
    const helps = [[], ["status"], ["export"], ["serve"], ["demo"], ["failed", "list"], ["failed", "retry"], ["failed", "clear"]];
    await together([...helps, ["lock", "release"], ["index", "verify"], ["pause"], ["resume"]], async (args) => {
      const { code, stdout, stderr } = await guardian([...args, "--help"]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(/Examples?:\n {2}guardian /);
      for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    });
  });

  test("unknown commands and options are wrong usage, with a hint", async () => {
    await expectRefusal(run("stats"), 2, /unknown command 'stats'[\s\S]*status/);
    await expectRefusal(run("status", "--jsn"), 2, /unknown option '--jsn'/);
    await expectRefusal(run("export", "--format", "xml"), 2, /csv, json, jsonl/);
    await expectRefusal(run("export", "--older-than", "soon"), 2, /no duration/);
    await expectRefusal(run("failed", "list", "--limit", "0"), 2, /at least 1/);
    await expectRefusal(run("pause"), 2, /--reason/);
    await expectRefusal(run("failed"), 2, /Usage: guardian failed/);
  });
});

describe("C2 status", () => {
  test("says what there is, to people and to machines", async () => {
    const { code, stdout, stderr } = await run("status");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/account {2}home\/ada\nstate {4}2 waiting/);
    expect(stdout).toMatch(/balanced\n- 3 operations failed/);
    expect(stdout).not.toContain("\u001b");
    expect(await json("status")).toMatchObject({
      healthy: true,
      lock: { held: false },
      accounts: [{ space: "home", principal: "ada", enqueued: 6, pending: 2, failed: 3, succeeded: 1, conserved: true, paused: null }],
    });
  });

  test("Q9 tells a pause, and ends with 3 until it is lifted", async () => {
    expect(await json("pause", "--reason", "maintenance")).toEqual([{ space: "home", principal: "ada", paused: true }]);
    const paused = await run("status", "--json");
    expect(paused.code).toBe(3);
    expect(JSON.parse(paused.stdout)).toMatchObject({
      healthy: false,
      accounts: [{ paused: { reason: "maintenance" }, problems: [{ code: "paused" }, { code: "failed" }] }],
      operator_actions: [{ action: "pause", reason: "maintenance" }],
    });
    expect((await run("status")).stdout).toContain(": maintenance. When that is settled: `guardian resume`.");
    const resumed = await run("resume");
    expect(resumed).toMatchObject({ code: 0, stdout: expect.stringContaining("home/ada goes on; it was paused by") });
    expect((await run("resume")).stdout).toContain("was not paused");
    expect((await run("status")).code).toBe(0);
    await expectRefusal(run("pause", "--reason", " "), 2, /empty/);
  });
});

describe("C1 export", () => {
  test("CSV: the exact header, one line an operation, redacted, spreadsheet-safe", async () => {
    const { code, stdout, stderr } = await run("export");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toBe(HEADER);
    expect(lines).toHaveLength(6);
    expect(stdout).not.toMatch(SECRETS);
    expect(stdout).toContain(",room,'=1+1,");
    expect(lines.filter((line) => line.includes("VALIDATION_ERROR 422 "))).toHaveLength(3);
    expect(lines.slice(1).map((line) => line.split(",")[8])).toEqual(["failed", "failed", "failed", "pending", "pending"]);
  });

  test("JSON, JSON lines, with payloads, failed only", async () => {
    const all = JSON.parse((await run("export", "--format", "json", "--include-payload")).stdout) as {
      readonly exported_at: string;
      readonly total_count: number;
      readonly operations: readonly Record<string, unknown>[];
    };
    expect(all.total_count).toBe(5);
    expect(all.operations.map(({ id }) => id)).toEqual([...known.failed, ...known.pending]);
    expect(all.operations[0]?.payload).toEqual({ name: "bad-1", email: "[REDACTED_EMAIL]", password: "[REDACTED]" });
    expect(new Date(all.exported_at).toISOString()).toBe(all.exported_at);
    const lines = await run("export", "--format", "jsonl", "--failed-only");
    expect(
      lines.stdout
        .trimEnd()
        .split("\n")
        .map((line) => (JSON.parse(line) as { readonly id: string }).id),
    ).toEqual(known.failed);
    const withPayload = await run("export", "--include-payload", "--failed-only");
    expect(withPayload.stdout.split("\n")[0]).toBe(`${HEADER},payload`);
    expect(lines.stdout + withPayload.stdout).not.toMatch(SECRETS);
    expect(await json("export", "--older-than", "1h")).toMatchObject({ total_count: 0, operations: [] });
  });

  test("to a file: whole or not at all, and never over the queue", async () => {
    const out = join(folder, "out.csv");
    const { code, stdout, stderr } = await run("export", "--out", out);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: `5 operations exported to ${out}\n` });
    expect(readFileSync(out, "utf8").split("\n")[0]).toBe(HEADER);
    await expectRefusal(run("export", "--out", db), 2, /belongs to the queue itself/);
    await expectRefusal(run("export", "--out", `${db}-wal`), 2, /belongs to the queue itself/);
    await expectRefusal(run("export", "--out", join(folder, "none", "x.csv")), 1, /folder does not exist/);
    await expectRefusal(run("export", "--out", folder), 1, /is a folder/);
    expect(readdirSync(folder).toSorted()).toEqual(["app.db", "out.csv"]);
  });

  test("into a reader that has seen enough is no error", async () => {
    const { spawnSync } = await import("node:child_process");
    const launcher = new URL("../bin/guardian.mjs", import.meta.url).pathname;
    const shell = spawnSync("sh", ["-c", `"${process.execPath}" "${launcher}" export --format jsonl | head -1`], {
      encoding: "utf8",
      env: { ...process.env, GUARDIAN_DB: db, GUARDIAN_KEY: KEY },
    });
    expect(shell).toMatchObject({ status: 0, stderr: "" });
    expect(shell.stdout.trimEnd().split("\n")).toHaveLength(1);
  });
});

describe("C2 Q6 failed", () => {
  test("list and show: for people, for machines, and when there is nothing", async () => {
    const list = await run("failed", "list");
    expect(list).toMatchObject({ code: 0, stderr: "" });
    expect(list.stdout.split("\n")[0]).toMatch(/^ID +OPERATION +ENTITY +STATE +SINCE +ERROR$/);
    expect(list.stdout).not.toMatch(SECRETS);
    expect((await json<readonly { readonly id: string }[]>("failed", "list")).map(({ id }) => id)).toEqual(known.failed);
    expect(await json("failed", "list", "--limit", "1")).toHaveLength(1);
    expect((await run("failed", "list", "--archived")).stdout).toBe("The archive is empty.\n");
    expect((await run("failed", "list", "--archived", "--json")).stdout).toBe("[]\n");
    expect((await run("failed", "list", "--limit", "2")).stderr).toContain("more than 2");
    const id = known.failed[0] as string;
    expect((await run("failed", "show", id)).stdout).toMatch(/state +failed\ncode +VALIDATION_ERROR/);
    expect(await json("failed", "show", id, "--include-payload")).toMatchObject({
      id,
      account: "home/ada",
      payload: { password: "[REDACTED]" },
    });
    await expectRefusal(run("failed", "show", "nope"), 1, /No failed or archived operation/);
    await expectRefusal(run("failed", "show", known.pending[0] as string), 1, /No failed or archived operation/);
  });

  test("changes are refused where nobody can be asked, and can be tried dry", async () => {
    for (const change of ["retry", "archive", "clear"])
      await expectRefusal(run("failed", change, "--all"), 2, /3 operations will be .* add --yes/);
    await expectRefusal(run("failed", "clear"), 2, /Say which/);
    await expectRefusal(run("failed", "retry", "x", "--all"), 2, /not both/);
    await expectRefusal(
      run("failed", "retry", "x", known.pending[0] as string, known.failed[0] as string, "--yes"),
      1,
      /Nothing was changed: x is not there/,
    );
    await expectRefusal(run("failed", "restore", known.failed[0] as string, "--yes"), 1, /is failed/);
    expect((await run("failed", "retry", "--all", "--dry-run")).stdout).toBe("3 operations would be tried again.\n");
    expect(await json("failed", "clear", "--all", "--dry-run")).toEqual({ action: "clear", matched: 3, changed: 0, dry_run: true });
    expect(await json("status")).toMatchObject({ accounts: [{ failed: 3, archived: 0 }], operator_actions: [] });
  });

  test("archive, clear, restore and retry move what they say, and it is written down", async () => {
    const [first, second, third] = known.failed as [string, string, string];
    expect((await run("failed", "archive", "--yes")).stdout).toBe("There are none.\n");
    expect(await json("failed", "archive", "--older-than", "0s", first, "--reason", "known", "--yes")).toMatchObject({ changed: 1 });
    expect((await run("failed", "clear", "--all", "--yes")).stdout).toBe("2 operations were moved to the archive.\n");
    expect(await json("failed", "list")).toEqual([]);
    expect(await json("status")).toMatchObject({ accounts: [{ failed: 0, archived: 3, conserved: true }] });
    expect(await json("failed", "restore", second, "--yes")).toMatchObject({ matched: 1, changed: 1 });
    expect(await json("failed", "restore", "--all", "--yes")).toMatchObject({ changed: 2 });
    const retried = await run("failed", "retry", first, third, "--reason", "fixed", "--yes");
    expect(retried).toMatchObject({ code: 0, stdout: "2 operations were put back into the queue.\n" });
    expect(await json("status")).toMatchObject({ accounts: [{ failed: 1, pending: 4, conserved: true }] });
    const { operator_actions } = await json<{ readonly operator_actions: readonly { readonly action: string }[] }>("status");
    expect(operator_actions.map(({ action }) => action)).toEqual([
      "failed archive",
      "failed clear",
      "failed restore",
      "failed restore",
      "failed retry",
    ]);
  });
});

describe("Q5 index", () => {
  test("verify finds what is wrong and ends with 3; rebuild repairs it", async () => {
    expect((await run("index", "verify")).stdout).toBe("file   intact\nindex  home/ada: 5 operations, right\n");
    expect(await json("index", "verify")).toMatchObject({ ok: true, accounts: [{ principal: "ada", differences: [] }] });
    expect((await run("index", "rebuild")).stdout).toBe("home/ada: 5 operations, was right\n");
    const file = new DatabaseSync(db);
    file.exec("UPDATE accounts SET failed = 9, pending = 0");
    file.close();
    const wrong = await run("index", "verify", "--json");
    expect(wrong.code).toBe(3);
    expect(JSON.parse(wrong.stdout)).toMatchObject({
      ok: false,
      accounts: [{ differences: expect.arrayContaining(["failed was 9 instead of 3"]) }],
    });
    expect((await run("status")).code).toBe(3);
    expect((await run("index", "rebuild", "--dry-run")).stdout).toContain("would be repaired");
    expect((await run("index", "verify")).code).toBe(3);
    expect(await json("index", "rebuild")).toMatchObject([{ changed: true }]);
    expect((await run("index", "verify")).code).toBe(0);
    expect((await run("status")).code).toBe(0);
  });
});

describe("C2 several accounts in one file", () => {
  test("all are meant unless one is named", async () => {
    const both = join(folder, "both.db");
    await makeQueueFile(both);
    await makeQueueFile(both, "bob");
    const count = async (...args: readonly string[]): Promise<number> =>
      (JSON.parse((await run("export", "--json", "--db", both, ...args)).stdout) as { readonly total_count: number }).total_count;
    expect(await count()).toBe(10);
    expect(await count("--account", "home/bob")).toBe(5);
    expect(await json("pause", "--reason", "r", "--db", both, "--account", "home/bob")).toMatchObject([{ principal: "bob" }]);
    const status = JSON.parse((await run("status", "--db", both, "--json")).stdout) as {
      readonly accounts: readonly { readonly principal: string; readonly paused: unknown }[];
    };
    expect(status.accounts.filter(({ paused }) => paused !== null).map(({ principal }) => principal)).toEqual(["bob"]);
    expect(await json("failed", "clear", "--all", "--yes", "--db", both)).toMatchObject({ changed: 6 });
  });
});
