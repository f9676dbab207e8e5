import { isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";
import { DurableQueue } from "guardian-sync/testing";
import type { Device } from "./device.ts";
import type { Account, Enqueued } from "./model.ts";
import { ADD } from "./domain.ts";
import { keyOf, type Shown } from "./shown.ts";

export interface DiskView {
  readonly shown: ReadonlyMap<string, Shown>;
  /** Things that operations without an end are about: what is shown of them is not what the server holds. */
  readonly held: ReadonlySet<string>;
  /** Effects that are shown by the document and once more on top of it. */
  readonly doubles: readonly string[];
}

/** Where an operation is shown on top of the document. */
const SHOWN: ReadonlySet<string> = new Set(["pending", "ready", "blocked", "sealed", "acked", "parked", "conflict"]);
/** Where it holds nothing: the server has said its last word, or a person has. */
const ENDED: ReadonlySet<string> = new Set(["failed", "archived", "cancelled", "folded"]);
const AT_ONCE = 500;

/** INV5: documents and live operations, read off the disk past all processes and folded from scratch, with a fold of its own. */
export async function viewOnDisk(device: Device, account: Account, recordOf: (id: string) => Enqueued | undefined): Promise<DiskView> {
  const { tagKey, world, clock, random } = device;
  const shown = new Map<string, Shown>();
  const held = new Set<string>();
  const doubles: string[] = [];
  if (tagKey === null) return { shown, held, doubles };
  const opened = { store: await device.observer(), keys: device.keyRing(random), tagKey, fastLock: null, notices: [] };
  const queue = new DurableQueue(opened, clock, random, { sha256Hex: (text) => world.machinery.sha256Hex(text) });
  const view = await queue.view(queue.accountTag(account));
  for (let after: Parameters<typeof view.documentsAfter>[0] | undefined = ""; after !== undefined; ) {
    const page: Awaited<ReturnType<typeof view.documentsAfter>> = await view.documentsAfter(after, AT_ONCE);
    for (const { entityType, entityId, version, data } of page.documents.values()) {
      shown.set(keyOf(entityType, entityId), { entityType, entityId, value: data, version });
    }
    after = page.next;
  }
  for (let from = 1 as Parameters<typeof view.from>[0]; ; ) {
    const { operations, next } = await view.from(from, AT_ONCE);
    for (const { phase, content, detail } of operations) {
      const { entityType, entityId, type, payload, id } = content;
      const key = keyOf(entityType, entityId);
      if (!ENDED.has(phase)) held.add(key);
      if (!SHOWN.has(phase) || detail.isEchoed === true) continue;
      const below = shown.get(key) ?? { entityType, entityId, value: null, version: null };
      const record = recordOf(id);
      const effectVersion = record?.effectVersion ?? null;
      if (type === ADD && effectVersion !== null && below.version !== null && effectVersion <= below.version) {
        doubles.push(`operation ${id} (${phase}) is in version ${below.version} of ${key}, and is added to it once more`);
      }
      const before = isJsonObject(content.before) ? content.before : undefined;
      // Of a newer app: what was stored with it stands in.
      const isNewer = type === ADD && content.version > device.appVersion && isJsonObject(payload) && isJsonObject(payload.patch);
      const value = isNewer ? { ...below.value, ...(payload.patch as JsonObject) } : onTop(below.value, type, payload, before);
      shown.set(key, { ...below, value });
    }
    if (operations.length < AT_ONCE) break;
    from = next;
  }
  for (const [key, { value }] of shown) if (value === null) shown.delete(key);
  return { shown, held, doubles };
}

function onTop(value: JsonObject | null, type: string, payload: Json, before: JsonObject | undefined): JsonObject | null {
  if (type === "DELETE") return null;
  if (!isJsonObject(payload)) return value;
  if (type === "CREATE") return payload;
  if (type === "UPDATE")
    return value === null ? null : { ...value, ...payload, ...(before === undefined ? {} : merged(value, payload, before)) };
  const { input } = payload;
  if (!isJsonObject(input)) throw new TypeError(`an operation ${type} without input`);
  return { ...value, memo: input.memo ?? null, value: Number(value?.value ?? 0) + Number(input.by ?? input.delta) };
}

/** Of a board: their tags that I have not taken away, then mine that are new; and both additions to the score. */
function merged({ tags, score }: JsonObject, mine: JsonObject, before: JsonObject): JsonObject {
  const [own, was, others] = [mine.tags, before.tags, tags].map((list) => (Array.isArray(list) ? (list as readonly string[]) : [])) as [
    readonly string[],
    readonly string[],
    readonly string[],
  ];
  const stay = others.filter((tag) => own.includes(tag) || !was.includes(tag));
  const fresh = own.filter((tag) => !was.includes(tag) && !others.includes(tag));
  return {
    ...(mine.tags === undefined ? {} : { tags: [...stay, ...fresh] }),
    ...(mine.score === undefined ? {} : { score: Number(score) + Number(mine.score) - Number(before.score) }),
  };
}
