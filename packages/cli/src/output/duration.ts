import { usageError } from "../exit.ts";

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** `30d`, `12h`, `15m`, `90s`, `2w` in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})\s*([smhdw])$/.exec(text.trim());
  if (match === null) throw usageError(`"${text}" is no duration. Write a number and a unit: 90s, 15m, 12h, 30d or 2w.`);
  return Number(match[1]) * (UNITS_MS[match[2] as string] as number);
}

/** `3 s`, `12 min`, `5 h`, `3 d`: one unit, rounded down, for people. */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`;
  if (bytes < 1024 ** 3) return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}
