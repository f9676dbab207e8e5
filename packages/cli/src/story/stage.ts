import type { Terminal } from "../output/terminal.ts";
import { ASCII, bar, type Glyphs, UNICODE } from "./drawing.ts";

/** A queue that fills or drains before one's eyes, where there are eyes; in a pipe, the line that is left in the end. */
export interface Gauge {
  set(value: number): void;
  /** The last word: this line stays. */
  end(value: number, note: string): void;
}

const MARGIN = "     ";

/** Where the story is told, line by line. */
export class Stage {
  readonly glyphs: Glyphs;
  readonly #terminal: Terminal;
  #steps = 0;
  #isClosed = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.glyphs = terminal.hasUnicode ? UNICODE : ASCII;
  }

  title(text: string): void {
    this.#print("", `  ${this.#terminal.paint("bold", text)}`, "");
  }

  step(text: string): void {
    this.#steps += 1;
    this.#print("", `  ${this.#terminal.paint("cyan", String(this.#steps))}  ${this.#terminal.paint("bold", text)}`);
  }

  say(...lines: readonly string[]): void {
    this.#print(...lines.map((line) => (line === "" ? "" : `${MARGIN}${line}`)));
  }

  faint(...lines: readonly string[]): void {
    this.#print(...lines.map((line) => `${MARGIN}${this.#terminal.paint("dim", line)}`));
  }

  good(text: string): void {
    this.#print("", `  ${this.#terminal.paint("green", text)}`);
  }

  bad(...lines: readonly string[]): void {
    this.#print("", ...lines.map((line) => `  ${this.#terminal.paint("red", line)}`));
  }

  gauge(label: string, max: number): Gauge {
    const { isTty, out } = this.#terminal;
    const line = (value: number): string =>
      `${MARGIN}${label.padEnd(16)}${bar(this.glyphs, value, max)}  ${String(value).padStart(2)} waiting`;
    const draw = (text: string): void => void out.write(`\r\u001b[2K${text}`);
    let isEnded = false;
    return {
      set: (value) => {
        if (isTty && !isEnded && !this.#isClosed) draw(line(value));
      },
      end: (value, note) => {
        if (isEnded) return;
        isEnded = true;
        const text = `${line(value)}${note === "" ? "" : `, ${note}`}`;
        if (isTty && !this.#isClosed) draw(`${text}\n`);
        else this.#print(text);
      },
    };
  }

  /** Nothing more is shown, whatever is still under way. */
  close(): void {
    this.#isClosed = true;
  }

  #print(...lines: readonly string[]): void {
    if (this.#isClosed) return;
    for (const line of lines) this.#terminal.out.write(`${line.trimEnd()}\n`);
  }
}
