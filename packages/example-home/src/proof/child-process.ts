/** A process of its own, driven by lines of JSON: commands go in, messages come out, and it may be killed at any moment. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Cleanup } from "./cleanup.ts";
import { until } from "./report.ts";

export interface ChildMessage {
  readonly says: string;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Run as another user; needs root. */
  readonly uid?: number;
  /** In front of the command, such as a shell that sets limits. */
  readonly wrapper?: readonly string[];
}

export class Child<Message extends ChildMessage> {
  readonly #process: ChildProcess;
  readonly #messages: Message[] = [];
  readonly #listeners = new Set<(message: Message) => void>();
  readonly #ended: Promise<void>;
  #errors = "";
  #hasEnded = false;

  /** Starts `script` (a file beside this one) with `config` as its only argument. */
  constructor(cleanup: Cleanup, script: string, config: unknown, { env = {}, uid, wrapper = [] }: StartOptions = {}) {
    const file = fileURLToPath(new URL(script, import.meta.url));
    const command = [...wrapper, process.execPath, "--conditions=source", file, JSON.stringify(config)];
    this.#process = spawn(command[0] as string, command.slice(1), {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, NODE_OPTIONS: "", ...env },
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    cleanup.add(() => this.kill());
    const lines = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream });
    lines.on("line", (line) => this.#take(line));
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#errors = (this.#errors + text).slice(-4000);
    });
    // A child that has just been killed reads no more commands.
    this.#process.stdin?.on("error", () => {});
    // "close" comes after the last line has been read; "exit" may come before.
    this.#ended = once(this.#process, "close").then(() => {
      this.#hasEnded = true;
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }
  get hasEnded(): boolean {
    return this.#hasEnded;
  }
  /** Everything it said so far. */
  get messages(): readonly Message[] {
    return this.#messages;
  }
  /** The end of what it wrote to stderr. */
  get errors(): string {
    return this.#errors;
  }

  onMessage(listener: (message: Message) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(command: unknown): void {
    this.#process.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** The first message of this kind, from the `from`th message on. */
  hear<K extends Message["says"]>(
    says: K,
    {
      from = 0,
      timeoutMs,
      where,
    }: { readonly from?: number; readonly timeoutMs?: number; readonly where?: (message: Extract<Message, { says: K }>) => boolean } = {},
  ): Promise<Extract<Message, { says: K }>> {
    type Wanted = Extract<Message, { says: K }>;
    const isWanted = (message: Message): message is Wanted => message.says === says && (where === undefined || where(message as Wanted));
    return until(
      `"${says}" from process ${this.pid}${this.#errors === "" ? "" : ` (stderr: ${this.#errors})`}`,
      () => {
        const found = this.#messages.slice(from).find(isWanted);
        if (found === undefined && this.#hasEnded) throw new Error(`process ${this.pid} ended before it said "${says}": ${this.#errors}`);
        return found as Wanted | undefined;
      },
      timeoutMs,
    );
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** SIGKILL, and resolves when everything that it had said is known. */
  async kill(): Promise<void> {
    if (!this.#hasEnded) this.#process.kill("SIGKILL");
    await this.#ended;
  }

  /** Resolves with the exit code when it ends by itself. */
  async ended(): Promise<number | null> {
    await this.#ended;
    return this.#process.exitCode;
  }

  #take(line: string): void {
    let message: Message;
    try {
      message = JSON.parse(line) as Message;
    } catch {
      // The last line of a killed process may be cut: it was never said.
      return;
    }
    this.#messages.push(message);
    for (const listener of this.#listeners) listener(message);
  }
}
