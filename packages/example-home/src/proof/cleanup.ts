/** Whatever a scenario opens is closed again, in reverse order, whether it ends well or not. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class Cleanup implements AsyncDisposable {
  readonly #tasks: (() => unknown)[] = [];

  add(task: () => unknown): void {
    this.#tasks.push(task);
  }

  /** Keeps `value` until the end, then closes it. */
  closing<T extends { close(): unknown }>(value: T): T {
    this.add(() => value.close());
    return value;
  }

  folder(): string {
    const path = mkdtempSync(join(tmpdir(), "guardian-proof-"));
    this.add(() => rmSync(path, { recursive: true, force: true }));
    return path;
  }

  /** Runs all tasks; the first error is thrown after the last of them has run. */
  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (const task of this.#tasks.splice(0).toReversed()) {
      try {
        await task();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
