import type { Readable, Writable } from "node:stream";
import { styleText } from "node:util";

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";
type Stream = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** Where a command speaks. `out` carries what was asked for; everything else goes to `err`. */
export interface Terminal {
  readonly out: Writable;
  readonly err: Writable;
  readonly in: Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A person reads `out` as it comes. */
  readonly isTty: boolean;
  /** A person can be asked. */
  readonly isInteractive: boolean;
  /** Box-drawing and block characters arrive as such. */
  readonly hasUnicode: boolean;
  readonly columns: number;
  /** `text` in a style, where `out` shows styles. */
  paint(style: Style, text: string): string;
}

const DEFAULT_COLUMNS = 80;

export function processTerminal(): Terminal {
  const { stdout, stderr, stdin, env } = process;
  return terminalOf({ out: stdout, err: stderr, in: stdin, env });
}

export function terminalOf({
  out,
  err,
  in: input,
  env,
}: {
  readonly out: Stream;
  readonly err: Stream;
  readonly in: Readable & { readonly isTTY?: boolean };
  readonly env: Terminal["env"];
}): Terminal {
  const isTty = out.isTTY === true;
  const hasColour = showsColour(isTty, env);
  return {
    out,
    err,
    in: input,
    env,
    isTty,
    isInteractive: input.isTTY === true && err.isTTY === true,
    hasUnicode: showsUnicode(env, process.platform),
    columns: isTty && (out.columns ?? 0) > 0 ? (out.columns as number) : DEFAULT_COLUMNS,
    paint: (style, text) => (hasColour ? styleText(style, text, { validateStream: false }) : text),
  };
}

/** https://no-color.org: set and not empty means none, whatever else is set. */
export function showsColour(isTty: boolean, env: Terminal["env"]): boolean {
  if ((env.NO_COLOR ?? "") !== "") return false;
  const forced = env.FORCE_COLOR ?? "";
  if (forced !== "") return forced !== "0";
  return isTty && env.TERM !== "dumb";
}

/** By the locale that programs are told to use. Windows terminals of today always can. */
export function showsUnicode(env: Terminal["env"], platform: string): boolean {
  if (platform === "win32") return true;
  if (env.TERM === "linux") return false;
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value !== undefined && value !== "");
  return locale === undefined ? platform === "darwin" : /utf-?8/i.test(locale);
}
