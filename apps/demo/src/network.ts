import type { Platform } from "guardian-sync";
import { fetchTransport } from "guardian-sync/browser";
import { recall, remember } from "./remembered.ts";

type Listener = (online: boolean) => void;

/** The network of one device of the demo: the browser's own, behind a switch that survives a reload. */
export class SwitchedNetwork {
  readonly #key: string;
  readonly #listeners = new Set<Listener>();
  #isOn: boolean;
  #cut = new AbortController();

  constructor(device: string) {
    this.#key = `demo-${device}-network`;
    this.#isOn = recall(this.#key) !== "off";
    window.addEventListener("online", () => this.#tell());
    window.addEventListener("offline", () => this.#tell());
    // Another tab of the same device has the same switch.
    window.addEventListener("storage", ({ key, newValue }) => {
      if (key === this.#key) this.#turn(newValue !== "off");
    });
  }

  get isOn(): boolean {
    return this.#isOn;
  }
  get isOnline(): boolean {
    return this.#isOn && navigator.onLine;
  }

  set(isOn: boolean): void {
    remember(this.#key, isOn ? "on" : "off");
    this.#turn(isOn);
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Fails as a real one does: without a reason, also for what is under way when the switch is turned. */
  readonly fetch: typeof fetch = async (input, init = {}) => {
    if (!this.#isOn) throw new TypeError("Failed to fetch");
    const cut = this.#cut.signal;
    const signals = init.signal ? [init.signal, cut] : [cut];
    try {
      return await fetch(input, { ...init, signal: AbortSignal.any(signals) });
    } catch (error) {
      throw cut.aborted ? new TypeError("Failed to fetch") : error;
    }
  };

  get platform(): Partial<Platform> {
    return {
      connectivity: { online: () => this.isOnline, subscribe: (listener) => this.subscribe(listener) },
      transport: fetchTransport({ fetch: this.fetch, isOnline: () => this.isOnline }),
    };
  }

  #turn(isOn: boolean): void {
    if (isOn === this.#isOn) return;
    this.#isOn = isOn;
    if (isOn) this.#cut = new AbortController();
    else this.#cut.abort();
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener(this.isOnline);
  }
}
