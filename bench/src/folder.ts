import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new folder on the disk under test (`BENCH_DIR`, default: the system's temporary folder), and its removal. */
export function newFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "guardian-bench-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
