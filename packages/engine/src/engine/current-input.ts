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
  /** Completes the sentence "operation …". Never quotes a value. */
  | { readonly ok: false; readonly problem: string };

/** The stored input, converted when an older version of its definition wrote it. What is stored stays as it is. Never throws. */
export function currentInput(registry: Registry, { type, version, payload }: OperationContent): CurrentInput {
  const definition = registry.operations.get(type);
  const named = `operation "${type}" version ${version}`;
  if (definition === undefined || !isJsonObject(payload))
    return { ok: false, problem: `${named} is not registered; register it and it goes on by itself` };
  const { input = null, patch } = payload;
  const apply = definition.apply as Apply | undefined;
  if (version === definition.version) return { ok: true, definition, input, patch: isJsonObject(patch) ? patch : {}, apply };
  const ours = `${named} cannot be read by version ${definition.version}, which this app has`;
  if (version > definition.version) return { ok: false, problem: `${ours}; a newer app wrote it, and with that one it goes on by itself` };
  if (definition.migrate === undefined) return { ok: false, problem: `${ours}; give its definition a migrate, and it goes on by itself` };
  try {
    const converted = checked(definition, definition.migrate(copied(input), version));
    if (typeof converted === "string")
      return { ok: false, problem: `${ours}: ${converted}; with a migrate that can convert it, it goes on by itself` };
    const patchNow = apply === undefined ? {} : applied(null, apply, converted.value);
    return { ok: true, definition, input: converted.value, patch: patchNow, apply };
  } catch (error) {
    const what = error instanceof Error ? error.name : typeof error;
    return { ok: false, problem: `${ours}: converting it threw ${what}; with a migrate that can, it goes on by itself` };
  }
}

/** As at the call, or what is wrong with it. */
function checked({ input: schema }: AnyOperation, converted: unknown): { readonly value: Json } | string {
  const valid = schema === undefined ? ({ ok: true, value: converted } as const) : validated(schema, converted);
  if (!valid.ok) return valid.why === "invalid" ? `what migrate made of it is not valid ("${valid.path}")` : "its schema failed";
  const plain = checkPayload(valid.value);
  return plain.ok ? plain : `what migrate made of it ${plain.problem}`;
}

function copied(value: Json): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
