import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { homeCollections } from "@guardian-sync/example-home/server";
import { SYNC_PATHS } from "@guardian-sync/protocol";
import { createSyncServer, devTokens, type PlainRequest, type PlainResponse } from "@guardian-sync/server";
import { nodeListener } from "@guardian-sync/server/node";
import { sqliteStorage } from "@guardian-sync/server/sqlite";
import type { Faults } from "../state.ts";
import { changedFaults, NO_FAULTS } from "./faults.ts";
import { furnish } from "./furnish.ts";
import { operationsWithRule } from "./house-rules.ts";
import { page } from "./pages.ts";
import { Witness } from "./witness.ts";

export interface DemoServer {
  readonly url: string;
  close(): Promise<void>;
}
export interface DemoServerOptions {
  /** Of the database and the secret of the tokens; made when absent. */
  readonly data: string;
  /** Of the built page. */
  readonly pages: string;
  /** 0 is any. */
  readonly port: number;
}

const HOST = "127.0.0.1";
const SYNC_FACE = "/api/v1/sync/";
const JSON_HEADERS = {
  "Content-Type": "application/json; charset=utf-8",
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
};

/** The page, the reference server under it, and what can go wrong between the two. Rejects with the error of `listen`. */
export async function openDemoServer({ data, pages, port }: DemoServerOptions): Promise<DemoServer> {
  mkdirSync(data, { recursive: true });
  const folder = resolve(pages);
  const storage = sqliteStorage({ path: join(data, "server.db") });
  const server = createSyncServer({
    storage,
    collections: homeCollections,
    operations: operationsWithRule(),
    authenticate: devTokens({ secret: secretIn(data) }),
  });
  const witness = new Witness(storage);
  let faults: Faults = NO_FAULTS;

  const demo = async ({ method, path, query, headers, body }: PlainRequest): Promise<PlainResponse> => {
    if (method === "GET" && path === "/demo/state") {
      const after = query.after === undefined ? undefined : Number.parseInt(query.after, 10) || 0;
      return { status: 200, headers: JSON_HEADERS, body: JSON.stringify(await witness.state(faults, after)) };
    }
    // The type keeps other sites' pages out: for JSON a browser asks first, and is not answered.
    if (method === "POST" && path === "/demo/faults" && headers["content-type"]?.startsWith("application/json") === true) {
      const changed = changedFaults(faults, new TextDecoder().decode(body));
      if (changed === undefined) return refusal(400, "expected {latencyMs, failing, losingAnswers}");
      faults = changed;
      return { status: 200, headers: JSON_HEADERS, body: JSON.stringify(faults) };
    }
    return refusal(404, "there is nothing at this address");
  };

  const sync = async (request: PlainRequest, cut: () => void): Promise<PlainResponse> => {
    if (!request.path.startsWith(SYNC_FACE)) return server.handle(request);
    await sleep(faults.latencyMs);
    if (faults.failing) return refusal(500, "the demo's server was told to fail");
    const answer = await server.handle(request);
    witness.note(request, answer.body);
    if (!faults.losingAnswers || request.path !== SYNC_PATHS.ops) return answer;
    cut();
    // Nobody is there any more to be answered.
    return new Promise(() => {});
  };

  const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
    const handle = async (request: PlainRequest): Promise<PlainResponse> => {
      if (request.path.startsWith("/demo/")) return demo(request);
      if (/^\/(api|health|metrics|ready)/.test(request.path)) return sync(request, () => response.destroy());
      return page(folder, request.path);
    };
    nodeListener({ handle, maxBodyBytes: server.maxBodyBytes })(incoming, response);
  };
  const http = createServer(listener);
  try {
    await new Promise<void>((ready, reject) => {
      http.once("error", reject);
      http.listen(port, HOST, ready);
    });
    if (await witness.isEmpty()) await furnish(server);
  } catch (error) {
    http.close();
    await storage.close();
    throw error;
  }
  return {
    // The name that people type.
    url: `http://localhost:${(http.address() as AddressInfo).port}`,
    close: async () => {
      const closed = new Promise<void>((done) => http.close(() => done()));
      await server.close({ deadlineMs: 1000 });
      http.closeAllConnections();
      await closed;
      await storage.close();
    },
  };
}

function refusal(status: number, message: string): PlainResponse {
  return {
    status,
    headers: JSON_HEADERS,
    body: JSON.stringify({ error: { code: status === 500 ? "INTERNAL_ERROR" : "NOT_FOUND", message } }),
  };
}

/** Kept with the data, so that the tokens of open pages survive a restart. */
function secretIn(folder: string): string {
  const file = join(folder, "dev-token.secret");
  try {
    writeFileSync(file, randomBytes(32).toString("hex"), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return readFileSync(file, "utf8");
}
