import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { homeCollections, homeOperations } from "@guardian-sync/example-home/server";
import type { EpochMs } from "@guardian-sync/protocol";
import { createSyncServer, devTokens, jwtAuth, type Storage, StorageError } from "@guardian-sync/server";
import { listen, ListenError } from "@guardian-sync/server/node";
import { sqliteStorage } from "@guardian-sync/server/sqlite";
import { createJsonLogger } from "@guardian-sync/telemetry";
import { CliError, usageError } from "../exit.ts";
import type { Terminal } from "../output/terminal.ts";
import { jwtOptionsOf, type ServeOptions } from "./serve-options.ts";

const MAINTAIN_EVERY_MS = 3_600_000;
const MAINTAIN_AGAIN_MS = 1000;

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** @throws CliError in words that say what to do. */
export async function startServer(options: ServeOptions, terminal: Terminal): Promise<RunningServer> {
  const jwt = jwtOptionsOf(options);
  try {
    mkdirSync(options.data, { recursive: true });
  } catch (error) {
    throw new CliError(`--data ${options.data} cannot be made (${(error as NodeJS.ErrnoException).code ?? "unknown reason"}).`);
  }
  const logger = createJsonLogger({ sink: (line) => void terminal.err.write(`${line}\n`), now: () => Date.now() as EpochMs });
  const storage = openStorage(join(options.data, "server.db"));
  try {
    const server = createSyncServer({
      storage,
      collections: homeCollections,
      operations: homeOperations,
      authenticate: jwt === undefined ? devTokens({ secret: devSecret(options.data) }) : authenticatorOf(jwt),
      logger,
    });
    const http = await listen(server, { port: options.port, host: options.host });
    if (jwt === undefined) {
      terminal.err.write(`DEVELOPMENT MODE: whoever can reach ${http.url} gets a token for any account (POST /api/v1/auth/dev-token).\n`);
    }
    const stopUpkeep = keepUp(
      () => server.maintain(),
      (msg) => logger.error({ event_type: "upkeep_failed", msg }),
    );
    return {
      url: http.url,
      port: http.port,
      close: async () => {
        stopUpkeep();
        await http.close();
        await storage.close();
      },
    };
  } catch (error) {
    await storage.close();
    throw error instanceof ListenError ? new CliError(capitalised(error.message), { code: error.code }) : error;
  }
}

function authenticatorOf(jwt: NonNullable<ReturnType<typeof jwtOptionsOf>>): ReturnType<typeof jwtAuth> {
  try {
    return jwtAuth(jwt);
  } catch (error) {
    throw error instanceof TypeError ? usageError(error.message.replace(/^jwtAuth: /, "--jwt-")) : error;
  }
}

function openStorage(path: string): Storage {
  try {
    return sqliteStorage({ path });
  } catch (error) {
    throw error instanceof StorageError ? new CliError(`${path}: ${error.message}`, { code: error.code }) : error;
  }
}

/** Kept with the data, so that tokens survive a restart of the server. */
function devSecret(folder: string): string {
  const file = join(folder, "dev-token.secret");
  try {
    writeFileSync(file, randomBytes(32).toString("hex"), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST")
      throw new CliError(`${file} cannot be written (${(error as NodeJS.ErrnoException).code ?? "unknown reason"}).`);
  }
  return readFileSync(file, "utf8");
}

/** Forgets what is past its window, now and every hour; again at once while there is more of it. */
function keepUp(maintain: () => Promise<{ readonly isDone: boolean }>, onError: (message: string) => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const look = async (): Promise<void> => {
    let isDone = true;
    try {
      ({ isDone } = await maintain());
    } catch (error) {
      onError(error instanceof Error ? error.message : String(error));
    }
    if (!isStopped) timer = setTimeout(() => void look(), isDone ? MAINTAIN_EVERY_MS : MAINTAIN_AGAIN_MS).unref();
  };
  void look();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

function capitalised(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
