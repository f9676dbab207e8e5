/** A disk of its own, small enough to be filled, where this process may mount one: a tmpfs of Linux, as root. */
import { spawnSync } from "node:child_process";
import type { Cleanup } from "./cleanup.ts";

export interface SmallDisk {
  readonly path: string;
  grow(sizeKb: number): void;
  makeReadOnly(): void;
}

/** `undefined` where that is not allowed. */
export function mountSmallDisk(cleanup: Cleanup, sizeKb: number): SmallDisk | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
  const path = cleanup.folder();
  const mount = (options: string): boolean => spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]).status === 0;
  if (!mount(`size=${sizeKb}k`)) return undefined;
  // Lazily: also when a scenario fails and leaves a file open.
  cleanup.add(() => spawnSync("umount", ["-l", path]));
  return {
    path,
    grow: (kb) => void mount(`remount,size=${kb}k`),
    makeReadOnly: () => void mount("remount,ro"),
  };
}
