import { isJsonObject } from "@guardian-sync/protocol";
import type { LiveOperation } from "../core/fold.ts";
import type { OperationContent } from "../format/index.ts";
import { PLAIN_TYPES, type Registry } from "./definitions.ts";
import { currentInput } from "./current-input.ts";

/** An operation as the view folds it. One that its definition cannot take is shown from the patch that was stored with it. */
export function liveOf(registry: Registry, content: OperationContent, state: LiveOperation["state"], isEchoed = false): LiveOperation {
  const { type, payload, entityType, before, createdAt } = content;
  if (PLAIN_TYPES.has(type)) {
    const merge =
      type === "UPDATE" && isJsonObject(before) ? { before, rules: registry.rulesOf(entityType), mineAt: createdAt } : undefined;
    return { type, payload, state, isEchoed, apply: undefined, merge };
  }
  const current = currentInput(registry, content);
  if (!current.ok) return { type, payload, state, isEchoed, apply: undefined };
  const { input, patch, apply } = current;
  return { type, payload: { input, patch }, state, isEchoed, apply };
}
