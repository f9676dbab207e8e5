import type { Report } from "./model.ts";

/** Stands in every payload. Nobody but the server and the wire's bodies may ever show it. */
export const CANARY = "KaNaRy";
/** Stands in every token. Nothing but the Authorization header may ever show it. */
export const TOKEN_CANARY = "ToKeNsEcReT";

/** INV7: nothing that a person wrote, and no secret, shows where it does not belong. */
export class CanaryWatch {
  readonly #report: Report;
  #looks = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  get looks(): number {
    return this.#looks;
  }

  text(where: string, text: string): void {
    this.#looks += 1;
    if (text.includes(CANARY)) this.#report("INV7", `a payload shows in ${where}`);
    if (text.includes(TOKEN_CANARY)) this.#report("INV7", `a token shows in ${where}`);
  }

  error(where: string, error: unknown): void {
    if (!(error instanceof Error)) return;
    this.text(where, `${error.name} ${error.message} ${JSON.stringify(error)} ${error.stack ?? ""}`);
    if (error.cause !== undefined) this.error(`${where}, its cause`, error.cause);
  }

  headers(where: string, headers: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(headers)) if (name.toLowerCase() !== "authorization") this.text(`${where} ${name}`, value);
  }

  /** Everything that can be reached from `image`: strings, and bytes read as text. */
  image(where: string, image: unknown): void {
    const seen = new Set<unknown>();
    const waiting: unknown[] = [image];
    while (waiting.length > 0) {
      const value = waiting.pop();
      if (typeof value === "string") this.text(where, value);
      if (typeof value !== "object" || value === null || seen.has(value)) continue;
      seen.add(value);
      if (value instanceof Uint8Array) this.text(where, Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("latin1"));
      else if (value instanceof Map) for (const [key, member] of value) waiting.push(key, member);
      else if (value instanceof Set) waiting.push(...value);
      else waiting.push(...Object.values(value));
    }
  }
}
