import { Command, InvalidArgumentError } from "commander";
import type { ExitCode } from "../exit.ts";
import type { Terminal } from "../output/terminal.ts";

export function demoCommand(terminal: Terminal, end: (code: ExitCode) => void): Command {
  return new Command("demo")
    .description("two devices and one server: offline, killed, back, and every operation exactly once")
    .option("--port <number>", "of the server, which stays up afterwards (default: PORT, then 8080; 0 is any)", port)
    .addHelpText(
      "after",
      "\nTold in the terminal, with real processes.\nCtrl-C ends it and leaves nothing behind.\n\nExample:\n  guardian demo --port 8090",
    )
    .action(async (options: { readonly port?: number }) => {
      const { tellStory } = await import("../story/story.ts");
      end(await tellStory(terminal, options));
    });
}

function port(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new InvalidArgumentError("It must be a number from 0 to 65535.");
  return Number(text);
}
