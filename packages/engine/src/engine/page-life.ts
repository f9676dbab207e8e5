import type { PageLife, PageLifeEvent } from "../ports/index.ts";
import type { ProcessingKeeper } from "./processing-keeper.ts";

export interface PageLifeParts {
  readonly processing: ProcessingKeeper;
  /** Reads the change feed again, if anybody wants it. */
  readonly readOn: () => void;
}

/**
 * Runs the processor as the app wishes, except while the page is away: a frozen page that kept the lock would hold up every other tab
 * until it is stale. The lock is free before the handler of the event returns, because nothing asynchronous ends in a page that
 * freezes. An answer that comes later is written down if nobody has taken over by then; else the operation was still sealed, and
 * its key made the second try harmless. Whoever comes back begins like a new holder.
 */
export class PageLifeKeeper {
  readonly #parts: PageLifeParts;
  readonly #off: (() => void) | undefined;
  #isWanted = false;
  #isAway = false;

  constructor(pageLife: PageLife | undefined, parts: PageLifeParts) {
    this.#parts = parts;
    this.#off = pageLife?.subscribe((event) => this.#take(event));
  }

  /** It does not run, but will again by itself. */
  get isSuspended(): boolean {
    return this.#isWanted && this.#isAway;
  }

  start(): void {
    this.#isWanted = true;
    // Whoever can say so is not away, whatever the browser said.
    this.#isAway = false;
    this.#parts.processing.start();
  }

  async stop(): Promise<void> {
    this.#isWanted = false;
    await this.#parts.processing.stop();
  }

  close(): void {
    this.#off?.();
  }

  #take(event: PageLifeEvent): void {
    switch (event) {
      case "hidden":
        return;
      case "frozen":
      case "leaving":
        this.#isAway = true;
        this.#parts.processing.suspend();
        return;
      case "resumed":
      case "visible":
        this.#isAway = false;
        this.#comeBack();
    }
  }

  #comeBack(): void {
    const { processing, readOn } = this.#parts;
    readOn();
    if (!this.#isWanted) return;
    processing.start();
    // Timers that fell due meanwhile were late, and hints were missed.
    processing.wake();
  }
}
