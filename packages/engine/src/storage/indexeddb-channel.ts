import type { Clock } from "../ports/index.ts";

/** In a burst of writes others are told this often: a message costs as much as a tenth of a strict commit. */
const EVERY_MS = 20;

/** Tells the other connections to a database, in this page and in other tabs, that something was written. */
export class ChangeChannel {
  readonly #channel: BroadcastChannel;
  readonly #clock: Clock;
  /** While it waits, the last message is not older than `EVERY_MS`. */
  #cancelWait: (() => void) | undefined;
  #hasNews = false;

  constructor(name: string, clock: Clock, onHeard: () => void) {
    this.#clock = clock;
    this.#channel = new BroadcastChannel(`guardian-sync:${name}`);
    this.#channel.onmessage = onHeard;
  }

  /** At once, unless others were told just now; then a little later. */
  announce(): void {
    this.#hasNews = true;
    if (this.#cancelWait === undefined) this.#tell();
  }

  /** What others have not been told is told first. */
  close(): void {
    this.#cancelWait?.();
    if (this.#hasNews) this.#channel.postMessage(null);
    this.#hasNews = false;
    this.#channel.close();
  }

  #tell(): void {
    this.#hasNews = false;
    this.#channel.postMessage(null);
    this.#cancelWait = this.#clock.schedule(EVERY_MS, () => {
      this.#cancelWait = undefined;
      if (this.#hasNews) this.#tell();
    });
  }
}
