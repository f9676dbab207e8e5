import { emit, OperationRejected, type CollectionDefinition, type OperationDefinition } from "@guardian-sync/server";
import { isJsonObject, type JsonObject } from "@guardian-sync/protocol";
import type { SeededRandom } from "guardian-sync/testing";

/** Words that the server refuses in a title: an operation that carries one is definitely rejected. */
export const REFUSED_TITLE = "refused";
const MAX_TITLE_CHARS = 64;

type Validated =
  | { readonly value: JsonObject }
  | { readonly issues: readonly { readonly message: string; readonly path: readonly string[] }[] };

/** A Standard Schema by hand: the simulation tests the engine, not a validation library. */
function schemaOf(check: (value: JsonObject) => string | null): CollectionDefinition["schema"] {
  const validate = (value: unknown): Validated => {
    if (!isJsonObject(value)) return { issues: [{ message: "must be an object", path: [] }] };
    const field = check(value);
    return field === null ? { value } : { issues: [{ message: "is not allowed", path: [field] }] };
  };
  return { "~standard": { version: 1, vendor: "simulator", validate } };
}

export const COLLECTIONS: Readonly<Record<string, CollectionDefinition>> = {
  notes: {
    entityType: "note",
    schema: schemaOf(({ title }) =>
      typeof title === "string" && title.length <= MAX_TITLE_CHARS && !title.startsWith(REFUSED_TITLE) ? null : "title",
    ),
  },
  boards: {
    entityType: "board",
    schema: schemaOf(({ tags, score }) =>
      !Array.isArray(tags) || tags.some((tag) => typeof tag !== "string") ? "tags" : Number.isInteger(score) ? null : "score",
    ),
  },
  counters: {
    entityType: "counter",
    schema: schemaOf(({ value }) => (typeof value === "number" && Number.isInteger(value) ? null : "value")),
  },
};

export const ADD = "counter.add";
export interface AddInput {
  readonly id: string;
  readonly by: number;
  readonly memo: string;
}
/** What the app calls it since its update. A server knows both: old apps, and what they have queued, come for months. */
export interface AddInputSecond {
  readonly id: string;
  readonly delta: number;
  readonly memo: string;
}
function amountOf(input: unknown): number | undefined {
  const { by, delta } = (isJsonObject(input as never) ? input : {}) as Partial<AddInput & AddInputSecond>;
  const amount = by ?? delta;
  return typeof amount === "number" ? amount : undefined;
}

/** Named operations of the server. `busy` is the chance that a handler asks to come back later. */
export function serverOperations(
  random: SeededRandom,
  busy: () => number,
  onBusy: () => void,
): Readonly<Record<string, OperationDefinition>> {
  return {
    [ADD]: {
      handler: async (tx, input, { entityType, entityId }) => {
        if (random.chance(busy())) {
          onBusy();
          throw new OperationRejected({ status: 429, code: "RATE_LIMITED", message: "the counter is busy" });
        }
        const amount = amountOf(input);
        if (amount === undefined) {
          throw new OperationRejected({ status: 422, code: "VALIDATION_ERROR", message: "by must be a number" });
        }
        const before = await tx.entity(entityType, entityId);
        const value = typeof before?.value === "number" ? before.value : 0;
        const memo = (input as AddInput).memo;
        return emit.put(entityType, entityId, {
          ...(before === null ? {} : clientPart(before)),
          value: value + amount,
          memo,
        });
      },
    },
  };
}

const SERVER_FIELDS: ReadonlySet<string> = new Set(["id", "version", "created_at", "updated_at"]);

function clientPart(document: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !SERVER_FIELDS.has(name)));
}
