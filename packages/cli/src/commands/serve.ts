import { Command, InvalidArgumentError, Option } from "commander";
import type { ExitCode } from "../exit.ts";
import { EXIT } from "../exit.ts";
import type { Terminal } from "../output/terminal.ts";
import { writeLine } from "../output/write.ts";
import type { ServeOptions } from "../server/serve-options.ts";

export function serveCommand(terminal: Terminal, end: (code: ExitCode) => void): Command {
  return new Command("serve")
    .description("the reference server, with the example home's collections, on SQLite")
    .option("--port <number>", "0 is any free one", port, 8080)
    .option("--host <address>", "to listen on", "127.0.0.1")
    .option("--data <folder>", "where its database lives; made when absent", "guardian-data")
    .option("--dev", "hand out tokens to whoever asks; on this machine only")
    .option("--jwt-issuer <url>", "`iss` of accepted tokens")
    .option("--jwt-audience <name>", "`aud` of accepted tokens")
    .addOption(new Option("--jwt-jwks <url>", "where the issuer publishes its keys").conflicts("jwtKeyFile"))
    .option("--jwt-key-file <file>", "a public key (JWK) or, for HS*, a secret, instead")
    .option("--jwt-algorithms <list>", "accepted, separated by commas (default: RS256; HS256 with a secret)")
    .option("--json", "the address as one line of JSON")
    .addHelpText(
      "after",
      `
Prints \`listening on URL\` when it is ready. Ctrl-C or SIGTERM: stops accepting,
finishes what runs, exits 0.

Examples:
  guardian serve --dev
  guardian serve --dev --port 0 --data /tmp/home
  guardian serve --host 0.0.0.0 --jwt-issuer https://id.example \\
    --jwt-audience home --jwt-jwks https://id.example/jwks.json`,
    )
    .action(async (options: ServeOptions & { readonly json?: boolean }) => {
      // The server is much to load; other commands do without it.
      const { startServer } = await import("../server/serve.ts");
      const stopped = new Promise<void>((resolve) => {
        process.once("SIGINT", () => resolve()).once("SIGTERM", () => resolve());
      });
      const server = await startServer(options, terminal);
      await writeLine(
        terminal.out,
        options.json === true ? JSON.stringify({ url: server.url, port: server.port }) : `listening on ${server.url}`,
      );
      await stopped;
      // Whoever asks twice does not want to wait.
      process.once("SIGINT", () => process.exit(130)).once("SIGTERM", () => process.exit(143));
      await writeLine(terminal.err, "stopping: finishing what runs");
      await server.close();
      end(EXIT.ok);
    });
}

function port(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new InvalidArgumentError("It must be a number from 0 to 65535.");
  return Number(text);
}
