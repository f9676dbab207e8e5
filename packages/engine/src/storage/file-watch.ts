import { watch } from "node:fs";

/**
 * Tells when `path` may have changed, until the returned function is called. Keeps no process alive. Where the system cannot
 * watch (a network file system, no watches left) nothing is ever told.
 */
export function watchFile(path: string, listener: () => void): () => void {
  try {
    const watcher = watch(path, { persistent: false }, () => listener());
    watcher.on("error", () => watcher.close());
    return () => watcher.close();
  } catch {
    return () => {};
  }
}
