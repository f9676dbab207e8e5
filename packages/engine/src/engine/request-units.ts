import { utf8SizeBytes } from "@guardian-sync/protocol";
import { takeBatch } from "../core/batch.ts";
import { type BatchLimits, tightest } from "../core/batch-limits.ts";
import type { Capabilities } from "../core/handshake.ts";
import { faceOf } from "../core/render.ts";
import type { Settlement } from "../core/settlement.ts";
import { together } from "../core/together.ts";
import { currentKey, type SendableRecord } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";

/** Bounds may have fallen since they were sealed. A REST operation goes alone; those of the sync face before it, together. */
export function asMuchAsGoes(records: readonly SendableRecord[], limits: BatchLimits, hard: BatchLimits): readonly SendableRecord[] {
  const candidates = records.map(({ text, operation }) => ({
    sizeBytes: utf8SizeBytes(text),
    face: faceOf(text),
    groupId: operation.content.groupId,
  }));
  return records.slice(0, takeBatch(candidates, { operations: limits.maxOperations, maxBytes: limits.maxBytes }, hard).count);
}

/** What a request can hold at most, however small the next one shall be. */
export function hardLimits({ settings }: EngineContext, capabilities: Capabilities): BatchLimits {
  return tightest(settings.batch, capabilities);
}

/** The first operation, or its whole group. */
export function firstUnit(records: readonly SendableRecord[]): readonly SendableRecord[] {
  const groupId = records[0]?.operation.content.groupId;
  return groupId === undefined ? records.slice(0, 1) : records.filter(({ operation }) => operation.content.groupId === groupId);
}

export function ofGroups(records: readonly SendableRecord[], settlement: Settlement): Settlement {
  const members = records.map(({ operation }) => ({ key: currentKey(operation), groupId: operation.content.groupId }));
  return together(settlement, members);
}
