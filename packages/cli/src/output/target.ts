import { randomBytes } from "node:crypto";
import { open, realpath, rename, rm, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Terminal } from "./terminal.ts";
import { CliError } from "../exit.ts";
import { write } from "./write.ts";

/** Where a command puts what it made. */
export interface Target {
  write(text: string): Promise<void>;
  /** Only now the file is there, whole. */
  finish(): Promise<void>;
  /** Leaves nothing behind. */
  abandon(): Promise<void>;
}

/** `-` is standard output; a file appears under its name only when it is complete. */
export async function openTarget(terminal: Terminal, out: string): Promise<Target> {
  if (out === "-") return { write: (text) => write(terminal.out, text), finish: () => Promise.resolve(), abandon: () => Promise.resolve() };
  try {
    const path = await realpath(resolve(out)).catch(() => resolve(out));
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory() === true) throw new CliError(`${out} is a folder. Give the name of a file, or - for standard output.`);
    // A pipe or a device is written to; replacing it by a file would destroy it.
    if (found !== undefined && !found.isFile()) return await openDevice(path);
    return await openFile(path);
  } catch (error) {
    throw asCliError(error, out);
  }
}

async function openFile(path: string): Promise<Target> {
  const aside = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const file = await open(aside, "wx", 0o600);
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) await file.close();
    isOpen = false;
  };
  const abandon = async (): Promise<void> => {
    await close();
    await rm(aside, { force: true });
  };
  return {
    write: (text) => file.writeFile(text).catch((error: unknown) => Promise.reject(asCliError(error, path))),
    finish: async () => {
      await file.sync();
      await close();
      await rename(aside, path);
    },
    abandon,
  };
}

async function openDevice(path: string): Promise<Target> {
  const file = await open(path, "w");
  return { write: (text) => file.writeFile(text), finish: () => file.close(), abandon: () => file.close() };
}

const MEANINGS: Readonly<Record<string, string>> = {
  ENOENT: "its folder does not exist. Create it first.",
  ENOTDIR: "its folder does not exist. Create it first.",
  EACCES: "permission denied.",
  EPERM: "permission denied.",
  EROFS: "the file system is read-only.",
  ENOSPC: "the disk is full.",
  EDQUOT: "the disk quota is used up.",
};

function asCliError(error: unknown, path: string): unknown {
  const meaning = MEANINGS[(error as NodeJS.ErrnoException).code ?? ""];
  return meaning === undefined ? error : new CliError(`${path} cannot be written: ${meaning}`);
}
