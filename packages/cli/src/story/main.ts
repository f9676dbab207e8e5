/** `npm start`. */
import { CliError } from "../exit.ts";
import { processTerminal } from "../output/terminal.ts";
import { tellStory } from "./story.ts";

try {
  process.exitCode = await tellStory(processTerminal());
} catch (error) {
  if (!(error instanceof CliError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
