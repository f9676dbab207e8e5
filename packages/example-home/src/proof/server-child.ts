/** Entry of a server process: the home's server on a SQLite file. */
import { listen } from "@guardian-sync/server/node";
import { sqliteStorage } from "@guardian-sync/server/sqlite";
import { homeServer } from "./home.ts";
import { sayLine } from "./say.ts";

export interface ServerConfig {
  readonly path: string;
  /** 0: any. */
  readonly port: number;
}
export type ServerMessage = { readonly says: "listening"; readonly url: string; readonly port: number };

const config = JSON.parse(process.argv[2] ?? "") as ServerConfig;
const { url, port } = await listen(homeServer(sqliteStorage({ path: config.path })), { port: config.port });
// A parent that dies leaves no child behind.
process.stdin.resume().on("end", () => process.exit(0));
sayLine({ says: "listening", url, port } satisfies ServerMessage);
