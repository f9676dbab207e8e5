// Pages that Chromium really freezes. Playwright keeps its pages awake, so this speaks to the browser by itself.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { chromiumPath } from "../../../scripts/chromium.mjs";
import { closeAll, enqueueInPage, type Guardian, listenAsSite, openInPage, serve } from "./browser.test.support.ts";
import { TinyBackend } from "./testing/tiny-backend.ts";

/** In the page. */
declare const guardian: Guardian;

interface Answer {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** Chromium by its DevTools protocol. */
class Chromium {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();

  private constructor(process: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = process;
    this.#profile = profile;
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const answer = JSON.parse(String(data)) as Answer;
      if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer);
    };
  }

  static async launch(): Promise<Chromium> {
    const profile = await mkdtemp(join(tmpdir(), "guardian-chromium-"));
    const sandbox = process.getuid?.() === 0 ? ["--no-sandbox", "--disable-dev-shm-usage"] : [];
    const args = ["--headless=new", "--remote-debugging-port=0", `--user-data-dir=${profile}`, ...sandbox, "about:blank"];
    const child = spawn(chromiumPath() ?? "chromium", args, { stdio: ["ignore", "ignore", "pipe"] });
    const address = await new Promise<string>((resolve, reject) => {
      let said = "";
      child.stderr.on("data", (words: Buffer) => {
        said += words.toString();
        const found = /ws:\/\/\S+/.exec(said)?.[0];
        if (found !== undefined) resolve(found);
      });
      child.on("error", reject);
      child.on("exit", () => reject(new Error(`Chromium ended: ${said}`)));
    });
    const socket = new WebSocket(address);
    await new Promise((resolve) => socket.addEventListener("open", resolve));
    return new Chromium(child, profile, socket);
  }

  async send(method: string, params: object = {}, sessionId?: string): Promise<Record<string, unknown>> {
    const id = this.#waiting.size + 1;
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    });
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result ?? {};
  }

  async open(url: string): Promise<Tab> {
    const { targetId } = await this.send("Target.createTarget", { url });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const tab = new Tab(this, String(sessionId));
    await expect.poll(() => tab.run(() => typeof guardian)).toBe("object");
    return tab;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#socket.close();
    this.#process.kill();
    await ended;
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

class Tab {
  readonly #chromium: Chromium;
  readonly #session: string;

  constructor(chromium: Chromium, session: string) {
    this.#chromium = chromium;
    this.#session = session;
  }

  /** Runs `task` in the page; what it closes over does not come along. */
  async run<T, A = undefined>(task: (argument: A) => T | Promise<T>, argument?: A): Promise<T> {
    const expression = `(${String(task)})(${JSON.stringify(argument)})`;
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.#chromium.send("Runtime.evaluate", options, this.#session);
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { readonly value: T }).value;
  }

  async become(state: "frozen" | "active"): Promise<void> {
    await this.#chromium.send("Page.setWebLifecycleState", { state }, this.#session);
  }
}

let chromium: Chromium;
beforeEach(async () => {
  chromium = await Chromium.launch();
});
afterEach(async () => {
  await chromium.close();
  await closeAll();
});

test("L1 a frozen tab holds up nobody: another one goes on at once, and the first when it is thawed", async () => {
  const backend = new TinyBackend();
  const served = await serve(backend);
  const site = await listenAsSite();
  const [first, second] = [await chromium.open(site), await chromium.open(site)];
  const isHolder = (): Promise<boolean> => second.run(async () => (await guardian.engine.status()).lock?.mine === true);
  served.isDown = true;
  await first.run(openInPage, served.origin);
  await first.run(enqueueInPage, ["a"]);
  await expect.poll(() => first.run(async () => (await guardian.engine.status()).lock?.mine)).toBe(true);
  await second.run(openInPage, served.origin);
  await second.run(enqueueInPage, ["b"]);
  expect(await isHolder()).toBe(false);

  await first.become("frozen");
  await expect.poll(isHolder, { timeout: 5000 }).toBe(true);
  served.isDown = false;
  expect(await second.run(() => guardian.engine.drain({ timeoutMs: 15_000 }))).toEqual({ empty: true });
  expect(backend.appliedIds).toEqual(["a", "b"]);

  await first.become("active");
  await first.run(enqueueInPage, ["c"]);
  expect(await first.run(() => guardian.engine.drain({ timeoutMs: 15_000 }))).toEqual({ empty: true });
  expect(backend.appliedIds).toEqual(["a", "b", "c"]);
  expect(await first.run(() => guardian.engine.status())).toMatchObject({ succeeded: 3, conserved: true });
});
