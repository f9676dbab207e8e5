import type { EngineStatus } from "guardian-sync";
import { columns } from "./drawing.ts";
import type { Effect } from "./ledger.ts";

/** What one device says in the end, and what the story saw it store. */
export interface DeviceAccount {
  readonly name: string;
  readonly status: EngineStatus;
  /** Ids of the operations that were on disk before the story went on. */
  readonly storedIds: readonly string[];
  readonly replays: number;
}

export interface Reckoning {
  readonly isRight: boolean;
  readonly lines: readonly string[];
  /** What is wrong; empty when nothing is. */
  readonly problems: readonly string[];
  readonly operations: number;
  readonly effects: number;
}

/** Holds the devices' accounts against the server's feed: every stored operation must be in it exactly once, and nothing else. */
export function reckon(devices: readonly DeviceAccount[], effects: readonly Effect[]): Reckoning {
  const counts = new Map<string, number>();
  for (const { operationId } of effects) counts.set(operationId, (counts.get(operationId) ?? 0) + 1);
  const sides = devices.map((device) => {
    const own = effects.filter((effect) => effect.device === device.name);
    const { enqueued, succeeded, failed, archived, conflict, cancelled, quarantined, pending, sealed } = device.status;
    return {
      ...device,
      enqueued,
      succeeded,
      lost: failed + archived + conflict + cancelled + quarantined,
      waiting: pending + sealed,
      effects: own.length,
      once: device.storedIds.filter((id) => counts.get(id) === 1).length,
      missing: device.storedIds.filter((id) => !counts.has(id)).length,
      twice: device.storedIds.filter((id) => (counts.get(id) ?? 0) > 1).length,
      balanced: device.status.conserved,
    };
  });
  const problems = sides.flatMap(({ name, missing, twice, balanced, enqueued, storedIds, effects: count, lost, waiting }) => [
    ...(balanced ? [] : [`device ${name}: its account does not balance`]),
    ...(enqueued === storedIds.length ? [] : [`device ${name}: stored ${storedIds.length} operations, counts ${enqueued}`]),
    ...(missing === 0 ? [] : [`device ${name}: ${missing} operations never took effect`]),
    ...(twice === 0 ? [] : [`device ${name}: ${twice} operations took effect more than once`]),
    ...(count === storedIds.length ? [] : [`device ${name}: ${storedIds.length} operations, ${count} effects`]),
    ...(lost + waiting === 0 ? [] : [`device ${name}: ${lost + waiting} operations did not succeed`]),
  ]);
  const each = <T extends string | number>(read: (side: (typeof sides)[number]) => T): readonly T[] => sides.map(read);
  const lines = columns(
    [
      { label: "each device's account", values: each(({ name }) => `device ${name}`) },
      { label: "  enqueued", values: each(({ enqueued }) => enqueued) },
      { label: "  = succeeded", values: each(({ succeeded }) => succeeded) },
      { label: "  + failed, conflict, cancelled, unreadable", values: each(({ lost }) => lost) },
      { label: "  + still waiting", values: each(({ waiting }) => waiting) },
      { label: "", values: each(({ balanced }) => (balanced ? "balanced" : "NOT BALANCED")) },
      { label: "the server's count", values: each(() => "") },
      { label: "  effects of its operations", values: each(({ effects: count }) => count) },
      { label: "  operations with exactly one effect", values: each(({ once }) => once) },
      { label: "  sent twice, recognised by their keys", values: each(({ replays }) => replays) },
    ],
    44,
  );
  return {
    isRight: problems.length === 0,
    lines,
    problems,
    operations: sides.reduce((sum, side) => sum + side.storedIds.length, 0),
    effects: effects.length,
  };
}
