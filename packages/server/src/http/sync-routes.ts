/** The sync face: handshake, batches, verdicts, feed and snapshot. */
import {
  formatIso,
  type HandshakeResponse,
  isUuidV4,
  LEDGER_WINDOW_MS,
  type OpsResponse,
  parseHandshakeRequest,
  parseOpsRequest,
  PROTOCOL_VERSION,
  REPLAY_WINDOW_MS,
  SYNC_PATHS,
  type Verdict,
} from "@guardian-sync/protocol";
import { cursorExpired, type Filter, parseCursor, parsePageToken } from "../core/cursor.ts";
import { readChanges, readSnapshot } from "../core/feed.ts";
import { cancelMarker, verdictOf } from "../core/ledger.ts";
import { fromWire } from "../core/operation.ts";
import type { Item } from "../core/group.ts";
import { invalid, RequestRefused } from "../core/refusal.ts";
import { ensureSpace } from "../core/write.ts";
import type { Exchange } from "./exchange.ts";
import { perform, readSpace } from "./perform.ts";
import { countOf, limitOf } from "./query.ts";
import type { Reply, Route } from "./route.ts";
import { clientIdOf } from "./session-scope.ts";

export const syncRoutes: readonly Route[] = [
  { method: "POST", template: SYNC_PATHS.handshake, access: "session", handle: handshake },
  { method: "POST", template: SYNC_PATHS.ops, access: "session", handle: operations },
  { method: "GET", template: `${SYNC_PATHS.ops}/{key}`, access: "session", handle: verdict },
  { method: "POST", template: `${SYNC_PATHS.ops}/{key}/cancel`, access: "session", handle: cancel },
  { method: "GET", template: SYNC_PATHS.changes, access: "session", handle: changes },
  { method: "GET", template: SYNC_PATHS.snapshot, access: "session", handle: snapshot },
];

async function handshake(exchange: Exchange): Promise<Reply> {
  // The account that the client expects is for the client to compare: the answer says whom the token names.
  exchange.envelope(parseHandshakeRequest, { isWrite: false });
  const { deps, session } = exchange;
  const { registry, limits } = deps;
  const generation = await readSpace(exchange, async (_, space) => space.generation);
  const data: HandshakeResponse = {
    protocol: { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION },
    idempotency: { honoured: true, replay_window_s: REPLAY_WINDOW_MS / 1000, key_window_s: LEDGER_WINDOW_MS / 1000 },
    batch: { max_operations: limits.maxOperations, max_bytes: limits.maxBodyBytes },
    operations: [...registry.operations.keys()],
    // Only those whose path is one segment: clients build the URL of an entity from it.
    collections: Object.fromEntries(
      [...registry.byType].filter(([, { path }]) => !path.includes("/")).map(([type, { path }]) => [type, path]),
    ),
    feed: { changes: true, snapshot: true, max_wait_s: limits.maxWaitMs / 1000 },
    realtime: { socket: false },
    cancel: true,
    server_time: formatIso(deps.world.timer.now()),
    generation,
    account: { space: session.space, principal: session.principal },
  };
  return { status: 200, data };
}

async function operations(exchange: Exchange): Promise<Reply> {
  const { deps } = exchange;
  const { payload } = exchange.envelope(parseOpsRequest);
  const clientId = clientIdOf(exchange);
  if (clientId === null) throw new RequestRefused(invalid("X-Device-Id", "required", "a batch needs the client's id in X-Device-Id", 400));
  const { ordering, fence, lease } = payload;
  const { maxOperations } = deps.limits;
  if (payload.operations.length > maxOperations) {
    const message = `a batch may have ${maxOperations} operations; send it in parts`;
    const details = { field: "payload.operations", constraint: "max_items", max_items: maxOperations };
    throw new RequestRefused({ status: 413, code: "PAYLOAD_TOO_LARGE", message, details });
  }
  const items = payload.operations.map((parsed): Item => {
    if (parsed.ok) return fromWire(parsed.value, deps.world.sha256);
    const { key, path, problem } = parsed;
    const refusal = invalid(path, problem, `${path} ${problem}`, 400);
    // Without its key nobody could tell whose result it is.
    if (key === undefined) throw new RequestRefused(refusal);
    return { key, refusal };
  });
  const { results, generation, headSeq } = await perform(exchange, items, { ordering, clientId, fence: { fence, lease } });
  return { status: 200, data: { generation, head_seq: headSeq, results } satisfies OpsResponse };
}

async function verdict(exchange: Exchange): Promise<Reply> {
  const key = keyOf(exchange);
  const data = await readSpace(exchange, async (tx, space): Promise<Verdict> => {
    const rows = await tx.ledger(exchange.session, [key]);
    return verdictOf(key, rows.get(key), space, exchange.now);
  });
  return { status: 200, data };
}

/** Resolved means that the marker is on disk: no copy of the request, however late, will be executed. */
async function cancel(exchange: Exchange): Promise<Reply> {
  const key = keyOf(exchange);
  const { deps, session, now } = exchange;
  const data = await deps.storage.write(async (tx) => {
    const space = await ensureSpace(tx, session.space, { envelope: { now }, newGeneration: deps.newId });
    const held = await tx.claimKeys(session, [key]);
    const row = held.get(key) ?? cancelMarker(key, now);
    if (!held.has(key)) await tx.putLedger(session, [row]);
    return verdictOf(key, row, space, now);
  });
  return { status: 200, data };
}

async function changes(exchange: Exchange): Promise<Reply> {
  const { deps, session, request } = exchange;
  const { query } = request;
  const filter = filterOf(query);
  const limit = limitOf(query, deps.limits);
  const waitMs = Math.min(countOf(query, "wait") * 1000, deps.limits.maxWaitMs);
  const { cursor: text } = query;
  const cursor = text === undefined ? null : parseCursor(text);
  const read = (): Promise<Awaited<ReturnType<typeof readChanges>>> =>
    readSpace(exchange, async (tx, space) => {
      if (cursor === undefined) throw new RequestRefused(cursorExpired("this server cannot read the cursor", space, exchange.now));
      return await readChanges(tx, { space: session.space, filter, limit, cursor, now: exchange.now });
    });
  const until = deps.world.timer.now() + waitMs;
  for (;;) {
    const ticket = deps.feed.ticket(session.space);
    const page = await read();
    const leftMs = until - deps.world.timer.now();
    if (page.to_seq > page.from_seq || leftMs <= 0) return { status: 200, data: page };
    const reason = await deps.feed.wait(session.space, ticket, leftMs, request.signal);
    if (reason !== "changed") return { status: 200, data: reason === "ended" ? page : await read() };
  }
}

async function snapshot(exchange: Exchange): Promise<Reply> {
  const { deps, session, request, now } = exchange;
  const { query } = request;
  const { page: text } = query;
  const page = text === undefined ? null : parsePageToken(text);
  const data = await readSpace(exchange, async (tx, space) => {
    if (page === undefined) throw new RequestRefused(cursorExpired("this server cannot read the page token", space, now));
    const limit = limitOf(query, deps.limits);
    return await readSnapshot(tx, { space: session.space, filter: filterOf(query), limit, page, clientId: clientIdOf(exchange), now });
  });
  return { status: 200, data };
}

/** `entity_types=device,room`: only these; absent: all. */
function filterOf(query: { readonly [name: string]: string }): Filter {
  const { entity_types: text } = query;
  if (text === undefined) return null;
  const types = [...new Set(text.split(",").filter((type) => type !== ""))].toSorted();
  if (types.length > 100 || types.some((type) => !/^[A-Za-z][\w.-]{0,63}$/.test(type))) {
    throw new RequestRefused(invalid("entity_types", "names", "entity_types must be up to 100 names of types, separated by commas", 400));
  }
  return types;
}

function keyOf({ params }: Exchange): string {
  const key = (params.key ?? "").toLowerCase();
  if (!isUuidV4(key)) throw new RequestRefused(invalid("key", "uuid_v4", "a key is a UUID v4", 400));
  return key;
}
