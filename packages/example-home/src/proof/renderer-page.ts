/** The page of KILL-RENDERER: it enqueues without pause, says what is on disk, and sends when it is told to. */
import { createSyncEngine, defineEntity, type SyncEngine } from "guardian-sync";
import { indexedDbStore } from "guardian-sync/indexeddb";

const CALLERS = 5;
const PAYLOADS = 3;

interface Config {
  readonly baseUrl: string;
  readonly token: string;
  readonly space: string;
  readonly principal: string;
}
interface PageWindow {
  /** Made by the proof: outlives this renderer. */
  stored(entries: readonly { readonly id: string; readonly seq: number }[]): void;
  open(config: Config): Promise<void>;
  enqueueForEver(life: number): void;
  finish(): Promise<unknown>;
}
const page = globalThis as unknown as PageWindow;
let engine: SyncEngine | undefined;

function opened(): SyncEngine {
  if (engine === undefined) throw new Error("open the page's queue first");
  return engine;
}

page.open = async ({ baseUrl, token, space, principal }) => {
  engine = await createSyncEngine({
    store: indexedDbStore({ name: "kill-renderer" }),
    backend: { baseUrl, session: () => ({ account: { space, principal }, token }) },
    entities: [defineEntity("device", { collection: "devices" })],
    // Each operation has an effect of its own, so that effects can be counted.
    coalesce: false,
    autoStart: false,
  });
  engine.on("enqueued", ({ operation: { operationId, seq } }) => page.stored([{ id: operationId, seq }]));
};

page.enqueueForEver = (life) => {
  const caller = async (name: string): Promise<void> => {
    for (let n = 1; ; n++) {
      const entityId = `${life}-${name}-${n % PAYLOADS}`;
      const isNew = n <= PAYLOADS;
      const payload = { n: isNew ? 1 : Math.ceil(n / PAYLOADS), name: `Lamp ${n}` };
      await opened().enqueue({ type: isNew ? "CREATE" : "UPDATE", entityType: "device", entityId, payload });
    }
  };
  for (let index = 0; index < CALLERS; index++) caller(String(index)).catch((error: unknown) => console.error(error));
};

page.finish = async () => {
  opened().start();
  const drained = await opened().drain({ timeoutMs: 120_000 });
  return { drained, status: await opened().status() };
};
