import type { ExitCode } from "../exit.ts";
import type { Terminal } from "../output/terminal.ts";

export async function tellStory(_terminal: Terminal, _options: { readonly port?: number }): Promise<ExitCode> {
  return 0;
}
