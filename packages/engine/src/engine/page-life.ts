import type { PageLife, PageLifeEvent } from "../ports/index.ts";

/** What holds the lock while it runs. */
export interface Running {
  readonly isRunning: boolean;
  start(): void;
  stop(): Promise<void>;
  wake(): void;
}

/**
 * Runs the processor as the app wishes, except while the page is away: a frozen page that kept the lock would hold up every other tab
 * until it is stale. Going away is a stop: the request under way is waited for, and if the page freezes before its answer comes, the
 * operation stays sealed, and its key makes the second try harmless. Whoever comes back begins like a new holder.
 */
export class PageLifeKeeper {
  readonly #running: Running;
  readonly #off: (() => void) | undefined;
  #isWanted = false;
  #isAway = false;

  constructor(pageLife: PageLife | undefined, running: Running) {
    this.#running = running;
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
    this.#running.start();
  }

  async stop(): Promise<void> {
    this.#isWanted = false;
    await this.#running.stop();
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
        if (this.#isWanted) void this.#running.stop();
        return;
      case "resumed":
      case "visible":
        this.#isAway = false;
        if (!this.#isWanted) return;
        this.#running.start();
        // Timers that fell due meanwhile were late, and hints were missed.
        this.#running.wake();
        return;
    }
  }
}
