import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { homeCollections, homeOperations } from "@guardian-sync/example-home/server";
import { HEADERS, SYNC_PATHS } from "@guardian-sync/protocol";
import { createSyncServer, devTokens, type PlainRequest, type PlainResponse } from "@guardian-sync/server";
import { listen } from "@guardian-sync/server/node";
import { sqliteStorage } from "@guardian-sync/server/sqlite";
import type { Session } from "guardian-sync";
import { Ledger } from "./ledger.ts";

/** Of a home's line. Without it everything is over before anybody sees it. */
const LATENCY_MS = 120;
const STORY_HEADER = "X-Story-Device";
const ACCOUNT: Session["account"] = { space: "home", principal: "ada" };

export interface House {
  readonly url: string;
  readonly port: number;
  /** Signed in as everybody in this story is. */
  readonly session: Session;
  readonly ledger: Ledger;
  /**
   * The next request of `device` is carried out; before its answer leaves, `strike` happens. Resolves with how many operations
   * the server had written by then.
   */
  loseNextAnswer(device: string, strike: () => Promise<void>): Promise<number>;
  close(): Promise<void>;
}

export interface HouseOptions {
  readonly folder: string;
  readonly port: number;
  /** Answers what the sync server does not know: the status page. */
  readonly pages: (request: PlainRequest) => Promise<PlainResponse | undefined>;
}

/** The real server on SQLite, behind a line that is a little slow, and that can lose an answer. @throws ListenError */
export async function openHouse({ folder, port, pages }: HouseOptions): Promise<House> {
  const storage = sqliteStorage({ path: join(folder, "server.db") });
  const secret = randomBytes(32).toString("hex");
  const server = createSyncServer({
    storage,
    collections: homeCollections,
    operations: homeOperations,
    authenticate: devTokens({ secret }),
  });
  let trap: { readonly device: string; readonly spring: (answer: PlainResponse) => Promise<void> } | undefined;
  let ledger: Ledger | undefined;

  const handle = async (request: PlainRequest): Promise<PlainResponse> => {
    const page = await pages(request);
    if (page !== undefined) return page;
    if (request.path !== SYNC_PATHS.ops) return server.handle(request);
    const device = request.headers[STORY_HEADER.toLowerCase()] ?? "";
    await sleep(LATENCY_MS);
    const answer = await server.handle(request);
    ledger?.note(device, request.headers[HEADERS.deviceId.toLowerCase()] ?? "", answer.body);
    if (trap?.device === device) {
      const { spring } = trap;
      trap = undefined;
      await spring(answer);
    }
    return answer;
  };

  try {
    const http = await listen({ handle, close: server.close.bind(server), maxBodyBytes: server.maxBodyBytes }, { port });
    const session = await signIn(http.url);
    ledger = new Ledger(server, session.token);
    return {
      // The name that people type.
      url: `http://localhost:${http.port}`,
      port: http.port,
      session,
      ledger,
      loseNextAnswer: (device, strike) =>
        new Promise((resolve, reject) => {
          trap = {
            device,
            spring: async ({ body }) => {
              await strike().then(() => resolve(appliedIn(body)), reject);
            },
          };
        }),
      close: async () => {
        await http.close({ deadlineMs: 1000 });
        await storage.close();
      },
    };
  } catch (error) {
    await storage.close();
    throw error;
  }
}

async function signIn(url: string): Promise<Session> {
  const answer = await fetch(`${url}/api/v1/auth/dev-token`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ principal: ACCOUNT.principal, tenant: ACCOUNT.space, expires_in_s: 86_400 }),
  });
  if (!answer.ok) throw new Error(`the server gave no token (${answer.status})`);
  const { token, expires_at } = (await answer.json()) as { readonly token: string; readonly expires_at: string };
  return { account: ACCOUNT, token, expiresAt: Date.parse(expires_at) };
}

function appliedIn(body: string): number {
  const { data } = JSON.parse(body) as { readonly data?: { readonly results?: readonly { readonly outcome: string }[] } };
  return (data?.results ?? []).filter(({ outcome }) => outcome === "applied").length;
}
