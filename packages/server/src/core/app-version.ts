/** Comparing app versions (https://semver.org, precedence by §11; build metadata does not count). */
import type { Refusal } from "./refusal.ts";

interface Version {
  readonly numbers: readonly [number, number, number];
  readonly prerelease: readonly string[];
}

const SEMVER = /^v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-([0-9A-Za-z.-]{1,100}))?(?:\+[0-9A-Za-z.-]{1,100})?$/;

export function parseVersion(text: string): Version | undefined {
  const match = SEMVER.exec(text.trim());
  if (match === null) return undefined;
  return { numbers: [Number(match[1]), Number(match[2]), Number(match[3])], prerelease: match[4]?.split(".") ?? [] };
}

/** Negative when `a` is older. */
function compareVersions(a: Version, b: Version): number {
  for (const [index, number] of a.numbers.entries()) {
    const difference = number - (b.numbers[index] as number);
    if (difference !== 0) return difference;
  }
  if (a.prerelease.length === 0 || b.prerelease.length === 0) return b.prerelease.length - a.prerelease.length;
  for (const [index, part] of a.prerelease.entries()) {
    const other = b.prerelease[index];
    if (other === undefined) return 1;
    const order = comparePart(part, other);
    if (order !== 0) return order;
  }
  return a.prerelease.length - b.prerelease.length;
}

function comparePart(a: string, b: string): number {
  const [numeric, otherNumeric] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (numeric && otherNumeric) return Number(a) - Number(b);
  if (numeric !== otherNumeric) return numeric ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Null when the app may talk to this server. Who names no version, or none that can be read, is not an app of ours. */
export function judgeAppVersion(sent: string | undefined, minimum: string | undefined): Refusal | null {
  const [version, least] = [parseVersion(sent ?? ""), parseVersion(minimum ?? "")];
  if (version === undefined || least === undefined || compareVersions(version, least) >= 0) return null;
  return {
    status: 426,
    code: "CLIENT_TOO_OLD",
    message: `this server needs version ${minimum} of the app or newer; nothing is lost, update and go on`,
    details: { minimum_version: minimum ?? null, current_version: sent ?? null },
  };
}
