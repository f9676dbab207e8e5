import { isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";
import { unreadable } from "./unreadable.ts";

/** Reads the fields of one decrypted object. What has another shape than was written is `UNREADABLE`; unknown fields are let be. */
export class Fields {
  readonly #object: JsonObject;
  readonly #what: string;

  /** `what` begins a sentence: "The detail of an account". */
  constructor(value: Json, what: string) {
    if (!isJsonObject(value)) throw unreadable(what);
    this.#object = value;
    this.#what = what;
  }

  get(name: string): Json | undefined {
    return Object.hasOwn(this.#object, name) ? this.#object[name] : undefined;
  }
  text(name: string): string {
    const value = this.get(name);
    return typeof value === "string" ? value : this.fail(name);
  }
  number(name: string): number {
    const value = this.get(name);
    return typeof value === "number" ? value : this.fail(name);
  }
  /** Refuses a field that is there with another type. */
  optional(name: string, type: "string" | "number" | "boolean" | "object"): void {
    const value = this.get(name);
    if (value !== undefined && (type === "object" ? !isJsonObject(value) : typeof value !== type)) this.fail(name);
  }
  optionalTexts(name: string): void {
    const value = this.get(name);
    if (value !== undefined && !(Array.isArray(value) && value.every((item) => typeof item === "string"))) this.fail(name);
  }
  fail(name: string): never {
    throw unreadable(`${this.#what} (field ${name})`);
  }
}
