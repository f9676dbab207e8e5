import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { EngineStatus } from "guardian-sync";
import type { DeviceConfig, NewOrder, Report } from "./messages.ts";

/** In a checkout the device is TypeScript, and its packages are found by their sources. */
const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
const DEVICE = fileURLToPath(new URL(`./device${EXTENSION}`, import.meta.url));
const ANSWER_MS = 20_000;

interface Waiting {
  readonly resolve: (status: EngineStatus) => void;
  readonly reject: (error: Error) => void;
}

/** The story's end of a device: one life of its process. */
export class DeviceProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onReport: (report: Report) => void;
  #nextTag = 1;
  #stderr = "";

  constructor(config: DeviceConfig, onReport: (report: Report) => void) {
    this.name = config.name;
    this.#onReport = onReport;
    this.#child = fork(DEVICE, [JSON.stringify(config)], {
      execArgv: EXTENSION === ".ts" ? ["--conditions=source"] : [],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000);
    });
    this.#child.on("message", (report: Report) => this.#hear(report));
    this.#child.on("exit", () => this.#end());
    this.#child.on("error", () => this.#end());
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when its engine is open. */
  ready(): Promise<EngineStatus> {
    return this.#answer(0);
  }

  /** Resolves with its status when the order is carried out. */
  order(order: NewOrder): Promise<EngineStatus> {
    const tag = this.#nextTag++;
    const answer = this.#answer(tag);
    this.#child.send({ ...order, tag });
    return answer;
  }

  /** SIGKILL: no handler runs, nothing is tidied up. Resolves when the process is gone. */
  async kill(): Promise<void> {
    if (!this.isAlive) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  /** Lets it finish what it does, and end. */
  async close(): Promise<EngineStatus> {
    const gone = this.isAlive ? once(this.#child, "exit") : Promise.resolve();
    const status = await this.order({ order: "close" });
    await gone;
    return status;
  }

  #answer(tag: number): Promise<EngineStatus> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`device ${this.name} did not answer within ${ANSWER_MS / 1000} s`)), ANSWER_MS);
      const settle =
        <T>(act: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(late);
          this.#waiting.delete(tag);
          act(value);
        };
      this.#waiting.set(tag, { resolve: settle(resolve), reject: settle(reject) });
    });
  }

  #hear(report: Report): void {
    this.#onReport(report);
    if (report.report === "ready") this.#waiting.get(0)?.resolve(report.status);
    else if (report.report === "done") this.#waiting.get(report.tag)?.resolve(report.status);
    else if (report.report === "failed") this.#waiting.get(report.tag)?.reject(new Error(`device ${this.name}: ${report.message}`));
  }

  #end(): void {
    const why = this.#stderr === "" ? "" : `:\n${this.#stderr}`;
    for (const { reject } of this.#waiting.values()) reject(new Error(`device ${this.name} ended while it had something to do${why}`));
  }
}
