import type { StandardResult, StandardSchema } from "./definitions.ts";

export type Validated =
  | { readonly ok: true; readonly value: unknown }
  /** `asynchronous`, `threw`: a mistake of the program; else of the value. */
  | { readonly ok: false; readonly why: "invalid" | "asynchronous" | "threw"; readonly path: string; readonly constraint: string };

/** Never throws, whatever the schema does. */
export function validated(schema: StandardSchema, value: unknown): Validated {
  let result: StandardResult<unknown> | Promise<StandardResult<unknown>>;
  try {
    result = schema["~standard"].validate(value);
  } catch (error) {
    return { ok: false, why: "threw", path: "", constraint: error instanceof Error ? error.name : typeof error };
  }
  if ("then" in result) {
    // Nobody waits for it, and it must not end the process.
    Promise.resolve(result).catch(() => undefined);
    return { ok: false, why: "asynchronous", path: "", constraint: "" };
  }
  if (result.issues === undefined) return { ok: true, value: result.value };
  const [issue] = result.issues;
  const path = (issue?.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".");
  return { ok: false, why: "invalid", path, constraint: issue?.message ?? "no reason given" };
}
