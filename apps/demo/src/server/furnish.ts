import { randomUUID } from "node:crypto";
import type { SyncServer } from "@guardian-sync/server";
import { ACCOUNT } from "./account.ts";

const ROOMS = [
  { id: "living-room", name: "Living room", type: "living_room", floor_number: 0 },
  { id: "bedroom", name: "Bedroom", type: "bedroom", floor_number: 1 },
];
const DEVICES = [
  { id: "reading-lamp", name: "Reading lamp", room_id: "living-room", device_type: "lamp", state: { on: false } },
  { id: "radiator", name: "Radiator", room_id: "living-room", device_type: "heater", state: { target: 19 } },
  { id: "bedside-lamp", name: "Bedside lamp", room_id: "bedroom", device_type: "lamp", state: { on: true } },
  { id: "blind", name: "Blind", room_id: "bedroom", device_type: "blind", state: { position: 40 } },
];

/** A home to begin with, written as any client would. */
export async function furnish(server: Pick<SyncServer, "handle">): Promise<void> {
  const token = await signIn(server);
  const create = async (path: string, payload: object): Promise<void> => {
    const meta = { trace_id: randomUUID(), timestamp: new Date().toISOString() };
    await call(server, `/api/v1/${path}`, { meta, payload }, { authorization: `Bearer ${token}`, "idempotency-key": randomUUID() });
  };
  for (const room of ROOMS) await create("rooms", room);
  for (const device of DEVICES) await create("devices", device);
}

async function signIn(server: Pick<SyncServer, "handle">): Promise<string> {
  const body = { principal: ACCOUNT.principal, tenant: ACCOUNT.space, expires_in_s: 60 };
  return ((await call(server, "/api/v1/auth/dev-token", body)) as { readonly token: string }).token;
}

async function call(
  server: Pick<SyncServer, "handle">,
  path: string,
  body: object,
  headers: { readonly [name: string]: string } = {},
): Promise<unknown> {
  const answer = await server.handle({
    method: "POST",
    path,
    query: {},
    headers: { "content-type": "application/json", ...headers },
    body: new TextEncoder().encode(JSON.stringify(body)),
    remoteAddress: "127.0.0.1",
  });
  if (answer.status >= 300) throw new Error(`the server answered ${answer.status} to ${path}: ${answer.body}`);
  return JSON.parse(answer.body);
}
