/** One device: a process of its own with an engine and a queue file of its own. It obeys the story, and may be killed at any moment. */
import { homeEntities, homeOperations, recordHeartRate, updateDeviceState } from "@guardian-sync/example-home/client";
import { createSyncEngine, type Operation, type Session, type SyncEngine } from "guardian-sync";
import { sqliteStore } from "guardian-sync/sqlite";
import type { DeviceConfig, Edit, Order, Report } from "./messages.ts";

/** Small requests, so that there is something to see. */
const PER_REQUEST = 4;
const DRAIN_MS = 15_000;
const PACE_MS = 40;

/** The story speaks last: a Ctrl-C in the terminal reaches all processes, and it ends us in order. */
process.on("SIGINT", () => {});
// Whoever started us is gone.
process.on("disconnect", () => process.exit(0));

const config = JSON.parse(process.argv[2] ?? "") as DeviceConfig;
let isOnline = config.isOnline;
const listeners = new Set<(online: boolean) => void>();

const sync = await createSyncEngine({
  store: sqliteStore({ path: config.path }),
  backend: {
    baseUrl: config.baseUrl,
    session: ({ force }) => (force ? signIn(config.session.account) : config.session),
    headers: { "X-Story-Device": config.name },
  },
  entities: homeEntities,
  operations: homeOperations,
  batch: { maxOperations: PER_REQUEST },
  platform: {
    connectivity: {
      online: () => isOnline,
      subscribe: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  },
});

for (const type of ["enqueued", "succeeded", "failed", "parked", "conflict"] as const) sync.on(type, () => void tellMove());
process.on("message", (order: Order) => void obey(sync, order));
say({ report: "ready", status: await sync.status() });

async function obey(engine: SyncEngine, order: Order): Promise<void> {
  try {
    if (order.order === "edit") for (const edit of order.edits) await store(engine, edit);
    else if (order.order === "online") setOnline(order.isOnline);
    else if (order.order === "drain") await engine.drain({ timeoutMs: DRAIN_MS });
    const status = await engine.status();
    if (order.order === "close") await engine.close();
    say({ report: "done", tag: order.tag, status });
    if (order.order === "close") process.disconnect?.();
  } catch (error) {
    say({ report: "failed", tag: order.tag, message: error instanceof Error ? error.message : String(error) });
  }
}

/** One edit after the other, each on disk before the next, as a person would. */
async function store(engine: SyncEngine, edit: Edit): Promise<void> {
  const operation = await perform(engine, edit);
  await operation.stored;
  say({ report: "stored", id: operation.id });
  await new Promise((resolve) => setTimeout(resolve, PACE_MS));
}

async function perform(engine: SyncEngine, edit: Edit): Promise<Operation> {
  switch (edit.do) {
    case "create":
      return engine.enqueue({ type: "CREATE", entityType: edit.entityType, entityId: edit.entityId, payload: { ...edit.payload } });
    case "rename":
      return engine.enqueue({ type: "UPDATE", entityType: "device", entityId: edit.deviceId, payload: { name: edit.name } });
    case "switch":
      return engine.run(updateDeviceState, { device_id: edit.deviceId, state: { ...edit.state } });
    case "measure":
      return engine.run(recordHeartRate, { id: edit.id, user_id: edit.userId, bpm: edit.bpm, measured_at: new Date().toISOString() });
  }
}

function setOnline(next: boolean): void {
  isOnline = next;
  for (const listener of listeners) listener(next);
}

/** A token of the development server. */
async function signIn(account: Session["account"]): Promise<Session> {
  const answer = await fetch(`${config.baseUrl}/api/v1/auth/dev-token`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ principal: account.principal, tenant: account.space }),
  });
  const { token, expires_at } = (await answer.json()) as { readonly token: string; readonly expires_at: string };
  return { account, token, expiresAt: Date.parse(expires_at) };
}

async function tellMove(): Promise<void> {
  say({ report: "moved", status: await sync.status() });
}

function say(report: Report): void {
  if (process.connected) process.send?.(report);
}
