import { defineEntity, defineOperation, type EntityDefinition, type OperationDefinition } from "guardian-sync";
import type { JsonObject } from "@guardian-sync/protocol";
import { ADD, type AddInput, type AddInputSecond } from "./domain.ts";

/** What the app declares. */
export const note: EntityDefinition<JsonObject> = defineEntity("note", { collection: "notes" });
export const counter: EntityDefinition<JsonObject> = defineEntity("counter", { collection: "counters" });
/** Several people edit it at once, and every edit counts. */
export const board: EntityDefinition<JsonObject> = defineEntity("board", {
  collection: "boards",
  fields: { tags: "set", score: "increment" },
});
export const add: OperationDefinition<AddInput> = defineOperation<AddInput>(ADD, {
  entity: ({ id }) => counter.ref(id),
  coalesce: (earlier, later) => ({ ...later, by: earlier.by + later.by }),
  apply: (draft, { by, memo }) => {
    draft.memo = memo;
    draft.value = Number(draft.value ?? 0) + by;
  },
});
/** After an update of the app: what the one before has queued is converted. */
export const addSecond: OperationDefinition<AddInputSecond> = defineOperation<AddInputSecond>(ADD, {
  version: 2,
  entity: ({ id }) => counter.ref(id),
  apply: (draft, { delta, memo }) => {
    draft.memo = memo;
    draft.value = Number(draft.value ?? 0) + delta;
  },
  migrate: (input) => {
    const { id, by, memo } = input as unknown as AddInput;
    return { id, delta: by, memo };
  },
});
