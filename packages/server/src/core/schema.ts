/** Validation by any library that speaks Standard Schema (https://standardschema.dev): zod, valibot, arktype. */
import { isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";
import { invalid, type Refusal } from "./refusal.ts";

export interface StandardSchema {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult | Promise<StandardResult>;
  };
}
type StandardResult = { readonly value: unknown; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };
interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export type Validated<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

/** The schema's output, or 422 with the first issue's field and constraint. Any output is allowed, for inputs of operations. */
export async function validate(schema: StandardSchema, value: unknown): Promise<Validated<unknown>> {
  const result = await schema["~standard"].validate(value);
  if (result.issues === undefined) return { ok: true, value: result.value };
  const [issue] = result.issues;
  if (issue === undefined) throw new TypeError("a schema refused a value without naming an issue");
  const field = fieldOf(issue);
  return { ok: false, refusal: invalid(field, constraintOf(issue), field === "" ? issue.message : `${field}: ${issue.message}`) };
}

/** For documents: the output must be a JSON object again, because it is stored as one. */
export async function validateDocument(schema: StandardSchema, value: JsonObject): Promise<Validated<JsonObject>> {
  const result = await validate(schema, value);
  if (!result.ok) return result;
  // A schema may turn text into a Date or leave `undefined` members; what is served is what survives JSON.
  const stored = JSON.parse(JSON.stringify(result.value)) as Json;
  if (!isJsonObject(stored)) throw new TypeError("a collection's schema must give an object");
  return { ok: true, value: stored };
}

function fieldOf({ path = [] }: StandardIssue): string {
  return path.map((step) => String(typeof step === "object" ? step.key : step)).join(".");
}

/** Libraries name the broken rule in `code` (zod) or `type` (valibot); Standard Schema itself has only the message. */
function constraintOf(issue: StandardIssue & { readonly code?: unknown; readonly type?: unknown }): string {
  if (typeof issue.code === "string") return issue.code;
  return typeof issue.type === "string" ? issue.type : issue.message;
}
