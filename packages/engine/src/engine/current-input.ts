import { isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";
import { type Apply, applied } from "../core/apply.ts";
import { checkPayload } from "../core/payload.ts";
import type { OperationContent } from "../format/index.ts";
import type { AnyOperation, Registry } from "./definitions.ts";
import { validated } from "./validated.ts";

/** A declared operation as the definition of this app takes it. */
export type CurrentInput =
  | {
      readonly ok: true;
      readonly definition: AnyOperation;
      readonly input: Json;
      /** What it wrote into an empty draft. */
      readonly patch: JsonObject;
      readonly apply: Apply | undefined;
    }
  | ({ readonly ok: false } & Unusable);
/** Why a definition cannot take an operation. `what`: the value is not quoted. */
export type Unusable =
  | { readonly why: "unregistered" }
  | { readonly why: "newer" }
  | { readonly why: "no_migrate" }
  | { readonly why: "invalid"; readonly what: string }
  | { readonly why: "threw"; readonly what: string };

/** The stored input, converted when an older version of its definition wrote it. What is stored stays as it is. Never throws. */
export function currentInput(registry: Registry, { type, version, payload }: OperationContent): CurrentInput {
  const definition = registry.operations.get(type);
  if (definition === undefined || !isJsonObject(payload)) return { ok: false, why: "unregistered" };
  const { input = null, patch } = payload;
  const apply = definition.apply as Apply | undefined;
  if (version === definition.version) return { ok: true, definition, input, patch: isJsonObject(patch) ? patch : {}, apply };
  if (version > definition.version) return { ok: false, why: "newer" };
  if (definition.migrate === undefined) return { ok: false, why: "no_migrate" };
  try {
    const converted = checked(definition, definition.migrate(JSON.parse(JSON.stringify(input)) as Json, version));
    if (typeof converted === "string") return { ok: false, why: "invalid", what: converted };
    const now = apply === undefined ? {} : applied(null, apply, converted.value);
    return { ok: true, definition, input: converted.value, patch: now, apply };
  } catch (error) {
    return { ok: false, why: "threw", what: error instanceof Error ? error.name : typeof error };
  }
}

/** As at the call, or what is wrong with it. */
function checked({ input: schema }: AnyOperation, converted: unknown): { readonly value: Json } | string {
  const valid = schema === undefined ? ({ ok: true, value: converted } as const) : validated(schema, converted);
  if (!valid.ok) return `is not valid (${valid.why}, "${valid.path}")`;
  const plain = checkPayload(valid.value);
  return plain.ok ? plain : plain.problem;
}
