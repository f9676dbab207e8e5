import { canonicalJson } from "@guardian-sync/protocol";
import { type DiskView, viewOnDisk } from "./disk-view.ts";
import type { Account } from "./model.ts";
import type { App } from "./app.ts";
import type { Device } from "./device.ts";

/** A process, as far as its page is concerned. */
interface Process {
  readonly device: Device;
  readonly label: string;
  readonly app: App | null;
  readonly isFrozen: boolean;
}

/** What another process wrote is noticed within a second, and a slow disk takes two for a write. */
const SETTLED_MS = 6000;
const AGAIN_MS = 500;
const MAX_LOOKS = 40;

/**
 * INV5: what a page shows is what a fold of its disk gives. A page may be behind by what is on its way: it is looked at again until it
 * agrees, and is wrong when the disk has stayed the same for long enough. Ends with the page, or when the disk never rests.
 */
export function watchPage(process: Process, afterMs = 0): void {
  const { world } = process.device;
  const { label, app } = process;
  let text = "";
  let sinceMs = 0;
  let looks = 0;
  const again = (delayMs: number): void => void world.timeline.after(delayMs, () => void look().catch(failed));
  const failed = (error: unknown): void => world.report("INV5", `${label}: its disk cannot be read: ${String(error)}`);
  const look = async (): Promise<void> => {
    if (process.app !== app || app === null || process.label !== label || world.violations.length > 0) return;
    const { account } = app;
    if (process.isFrozen || account === null || account !== process.device.account) {
      text = "";
      if (++looks < MAX_LOOKS) again(AGAIN_MS);
      return;
    }
    const truth = await viewOnDisk(process.device, account, (id) => world.operations.withId(id));
    for (const double of truth.doubles) world.report("INV5", `${process.device.name}: ${double}`);
    const difference = pageAgainst(process, truth);
    if (difference === null) return;
    const now = JSON.stringify([account, ...truth.shown]);
    if (now !== text) {
      text = now;
      sinceMs = world.timeline.nowMs;
    } else if (world.timeline.nowMs - sinceMs >= SETTLED_MS) {
      world.report("INV5", difference);
      return;
    }
    if (++looks < MAX_LOOKS) again(AGAIN_MS);
  };
  again(afterMs);
}

/** What a page shows otherwise than the disk; null: nothing, or nobody looks. */
function pageAgainst(process: Process, truth: DiskView): string | null {
  const { world } = process.device;
  const looker = process.app?.looker ?? null;
  if (looker === null) return null;
  const difference = world.views.compare(process.label, looker.shown(), truth.shown);
  if (difference !== null) return difference;
  for (const [key, { value }] of looker.alone()) {
    if (canonicalJson(value) !== canonicalJson(truth.shown.get(key)?.value ?? null)) {
      return `${process.label} shows ${key} by itself otherwise than there is`;
    }
  }
  return null;
}

/** INV4: what a page shows against the server's documents, held things aside. */
export async function pageAgainstServer(process: Process, account: Account): Promise<string | null> {
  const { device, label, app } = process;
  const { world } = device;
  const looker = app?.looker ?? null;
  if (looker === null) return `${label} is not looked at`;
  const { held } = await viewOnDisk(device, account, (id) => world.operations.withId(id));
  const shown = new Map([...looker.shown()].filter(([key]) => !held.has(key)));
  return world.views.compare(label, shown, world.server.documents(account, held));
}
