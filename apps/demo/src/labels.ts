/** What the app calls the edits that wait: the engine keeps what they do, and this page how it says so. Survives a reload. */
export class Labels {
  readonly #key: string;
  readonly #texts: Map<string, string>;

  constructor(device: string) {
    this.#key = `demo-${device}-labels`;
    try {
      this.#texts = new Map(JSON.parse(localStorage.getItem(this.#key) ?? "[]") as [string, string][]);
    } catch {
      this.#texts = new Map();
    }
  }

  get ids(): readonly string[] {
    return [...this.#texts.keys()];
  }
  of(id: string): string | undefined {
    return this.#texts.get(id);
  }
  set(id: string, text: string): void {
    this.#texts.set(id, text);
    this.#save();
  }
  forget(id: string): void {
    if (this.#texts.delete(id)) this.#save();
  }

  #save(): void {
    try {
      localStorage.setItem(this.#key, JSON.stringify([...this.#texts]));
    } catch {
      // Full: the edits themselves are safe, only their names are then missing after a reload.
    }
  }
}
