import type { DemoState, Faults } from "./state.ts";

export type ServerView =
  | { readonly phase: "asking" }
  | { readonly phase: "there"; readonly state: DemoState; readonly isFresh: boolean }
  /** Never answered, or is gone. */
  | { readonly phase: "away" };

const ASK_EVERY_MS = 700;

/** The server's own account of itself, asked for as long as the page is looked at. */
export class DemoServerModel {
  readonly #listeners = new Set<() => void>();
  #view: ServerView = { phase: "asking" };

  constructor() {
    void this.#watch();
  }

  readonly get = (): ServerView => this.#view;
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Not told by the devices' switches: it is the page's own line to the server. */
  async setFaults(faults: Partial<Faults>): Promise<void> {
    const known = this.#view;
    // Shown at once; the server's answer has the last word.
    if (known.phase === "there") this.#show({ ...known, state: { ...known.state, faults: { ...known.state.faults, ...faults } } });
    try {
      await fetch("/demo/faults", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(faults) });
    } finally {
      await this.#ask();
    }
  }

  async #watch(): Promise<void> {
    for (;;) {
      if (document.visibilityState === "visible") await this.#ask();
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
  }

  async #ask(): Promise<void> {
    try {
      const answer = await fetch("/demo/state", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(String(answer.status));
      const state = (await answer.json()) as DemoState;
      if (this.#view.phase === "there" && this.#view.isFresh && JSON.stringify(this.#view.state) === JSON.stringify(state)) return;
      this.#show({ phase: "there", state, isFresh: true });
    } catch {
      if (this.#view.phase !== "there") this.#show({ phase: "away" });
      else if (this.#view.isFresh) this.#show({ ...this.#view, isFresh: false });
    }
  }

  #show(view: ServerView): void {
    this.#view = view;
    for (const listener of this.#listeners) listener();
  }
}
