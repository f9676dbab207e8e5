import type { Json } from "./json.ts";

/**
 * The one text of a JSON value (RFC 8785): members sorted by UTF-16 code units, no white space, numbers as ECMAScript
 * prints them. Two values with equal text are equal on every platform.
 *
 * One departure: a lone surrogate, which RFC 8785 forbids, is written as its `\udxxx` escape. It can stand in what a user
 * typed (a cut emoji), travels through JSON unharmed, and must not make an operation unsendable.
 *
 * Members with the value `undefined` are left out, as `JSON.stringify` leaves them out.
 * @throws TypeError on anything that JSON cannot carry, and on what is nested deeper than the call stack.
 */
export function canonicalJson(value: Json): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`JSON has no number ${value}`);
    return JSON.stringify(value);
  }
  if (value === null || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object") throw new TypeError(`JSON has no ${typeof value}`);
  const object = value as { readonly [key: string]: Json | undefined };
  let text = "";
  for (const key of Object.keys(object).sort()) {
    const member = object[key];
    if (member !== undefined) text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
}
