import type { Timeline } from "guardian-sync/testing";
import type { Digest, Machinery } from "./machinery.ts";

export interface JournalLine {
  readonly atMs: number;
  readonly actor: string;
  readonly text: string;
}

/**
 * Everything that happened, in order, as a hash: two runs of one seed that differ anywhere differ here. The lines themselves are
 * kept only when a person asked for them. They name operations, never contents.
 */
export class Journal {
  readonly lines: JournalLine[] = [];
  readonly #timeline: Timeline;
  readonly #digest: Digest;
  readonly #isKept: boolean;
  #events = 0;
  #buffer = "";

  constructor(timeline: Timeline, machinery: Machinery, isKept: boolean) {
    this.#timeline = timeline;
    this.#digest = machinery.newDigest();
    this.#isKept = isKept;
  }

  get events(): number {
    return this.#events;
  }

  /** `hidden` enters the hash only: bodies, tokens, whatever a log must not show. */
  write(actor: string, text: string, hidden = ""): void {
    this.#events += 1;
    this.#buffer += `${this.#timeline.nowMs} ${actor} ${text} ${hidden}\n`;
    if (this.#buffer.length > 16_384) this.#flush();
    if (this.#isKept) this.lines.push({ atMs: this.#timeline.nowMs, actor, text });
  }

  finish(): string {
    this.#flush();
    return this.#digest.finish();
  }

  #flush(): void {
    this.#digest.add(this.#buffer);
    this.#buffer = "";
  }
}
