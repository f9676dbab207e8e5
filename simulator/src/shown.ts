import type { JsonObject } from "@guardian-sync/protocol";

/** What a page should show of one thing. */
export interface Shown {
  readonly entityType: string;
  readonly entityId: string;
  readonly value: JsonObject | null;
  /** Of the document below what waits. */
  readonly version: number | null;
}

export function keyOf(entityType: string, entityId: string): string {
  return `${entityType} ${entityId}`;
}
