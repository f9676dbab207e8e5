import { isJsonObject } from "@guardian-sync/protocol";
import { idInAnswer } from "../core/server-ids.ts";
import { faceOf } from "../core/render.ts";
import type { Settlement } from "../core/settlement.ts";
import type { Exchange } from "../ports/index.ts";
import type { SendableRecord } from "../queue/records.ts";
import type { Registry } from "./definitions.ts";
import { endedAs } from "./ended-as.ts";

/** Its backend names the document that this one makes. */
export function isNamedByAnswer(registry: Registry, { operation: { content }, text }: SendableRecord): boolean {
  return content.type === "CREATE" && faceOf(text) === "rest" && registry.isServerNamed(content.entityType);
}

/**
 * Learns what the backend calls what a CREATE has made. One that was made and has no name cannot be told of again: a person looks at
 * it, and what was written for it waits.
 */
export function named(registry: Registry, records: readonly SendableRecord[], settlement: Settlement, exchange: Exchange): Settlement {
  if (!registry.hasServerIds) return settlement;
  const location = exchange.kind === "answer" ? exchange.headers.location : undefined;
  const moves = settlement.moves.map((move) => {
    const record = records[move.index] as SendableRecord;
    const { verdict } = move;
    if (verdict.step !== "succeed" || verdict.serverId !== undefined || !isNamedByAnswer(registry, record)) return move;
    const member = registry.entities.get(record.operation.content.entityType)?.idMember ?? "id";
    const serverId = idInAnswer(verdict.data, location, member);
    if (serverId === undefined) return { ...move, verdict: endedAs(record, "park", "OUTCOME_UNKNOWN", undefined) };
    return { ...move, verdict: { ...verdict, serverId } };
  });
  return { ...settlement, moves };
}

/** Where an unanswered CREATE would be found. undefined: its definition does not say. */
export function existingPath(registry: Registry, { operation: { content } }: SendableRecord): string | undefined {
  const { entityId, entityType, payload } = content;
  return registry.entities.get(entityType)?.findExisting?.({ entityId, payload: isJsonObject(payload) ? payload : {} });
}
