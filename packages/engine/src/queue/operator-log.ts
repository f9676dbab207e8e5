import { isJsonObject, type Json } from "@guardian-sync/protocol";
import { openJson, type RecordPlace, sealJson } from "../format/index.ts";
import type { AccountTag } from "../ports/index.ts";
import type { DurableQueue } from "./queue.ts";

/** What a person did to a queue from outside of the app. */
export interface OperatorAction {
  /** Epoch ms. */
  readonly at: number;
  readonly action: string;
  /** Who it was, as the tool knows. */
  readonly by: string;
  readonly reason?: string;
  /** Of what: counts, an owner, a fence. Never content. */
  readonly detail?: string;
}

/** The file keeps this many; the oldest go. */
const MAX_ACTIONS = 200;
const KEY = "operator_log";
const PLACE: RecordPlace = { table: "meta", id: KEY, field: "value" };
const MAX_MEETINGS = 50;

/** The actions that are remembered, the oldest first. Encrypted in the file: reasons are free text. */
export async function readActions(queue: DurableQueue): Promise<readonly OperatorAction[]> {
  const { store, keys } = queue.opened;
  const sealed = await store.readMeta(KEY);
  if (sealed === undefined) return [];
  const list: Json = await openJson(keys, store.storeId, PLACE, sealed);
  return Array.isArray(list) ? (list.filter(isAction) as unknown as readonly OperatorAction[]) : [];
}

/** Adds one, durably. `account` is any account of the file: its revision guards against two writers at once. */
export async function noteAction(queue: DurableQueue, account: AccountTag, action: OperatorAction): Promise<void> {
  const { store, keys } = queue.opened;
  for (let meeting = 0; meeting < MAX_MEETINGS; meeting++) {
    const row = await store.readAccount(account);
    const list = [...(await readActions(queue)), action].slice(-MAX_ACTIONS);
    const value = await sealJson(keys, store.storeId, PLACE, list as unknown as Json);
    const result = await store.commit({ account, expectRevision: row?.revision ?? 0, putMeta: [{ key: KEY, value }] });
    if (result.ok) return;
  }
}

function isAction(value: Json): boolean {
  return isJsonObject(value) && typeof value.at === "number" && typeof value.action === "string" && typeof value.by === "string";
}
