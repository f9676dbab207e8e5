import { isJsonObject, type Json, type JsonObject, SyncError } from "@guardian-sync/protocol";
import { fold } from "../core/fold.ts";
import { type Edit, type EntityDocument, MAX_HISTORY, type StateDetail } from "../format/index.ts";
import type { AccountTag } from "../ports/index.ts";
import { currentKey, type QueuedOperation } from "../queue/records.ts";
import { type EngineContext, factsOf, nowOf } from "./context.ts";
import { type KeptOperation, keptOf } from "./kept.ts";
import { liveOf } from "./live-of.ts";
import { membersOf } from "./members.ts";
import { statusInQueue } from "./outcome-of.ts";
import { type Page, pageOf } from "./page.ts";
import { finishReleases, release } from "./releasing.ts";

/** What the server holds of an entity. */
export interface ServerDocument {
  readonly version: number;
  /** null: it was deleted. undefined: only its version is known. */
  readonly value: JsonObject | null | undefined;
}
/** One field that both sides changed. Absent: not there. */
export interface ConflictedField {
  /** `name`, or `settings.theme`. */
  readonly path: string;
  readonly before?: Json;
  readonly mine?: Json;
  readonly theirs?: Json;
}
/** Mine goes over theirs; theirs stays; or, for plain writes, the fields as they shall be. */
export type Resolution = "mine" | "theirs" | { readonly merged: JsonObject };
/** An operation that met somebody else's write, with both sides: what a person needs to decide. */
export interface ConflictedOperation extends KeptOperation {
  /** The touched fields as its user saw them; null: nobody knows. */
  readonly before: JsonObject | null;
  /** What no rule decides. Empty: it is about the entity as a whole. */
  readonly fields: readonly ConflictedField[];
  /** The newest that is known; null: nothing is. */
  readonly server: ServerDocument | null;
  /** The server's document with this operation on top; null: there would be none, or it is not known. */
  readonly wanted: JsonObject | null;
}

/** The operations that somebody else's write stopped, and what a person decides about them. */
export class ConflictList {
  readonly #context: EngineContext;
  readonly #account: () => AccountTag;
  readonly #wake: () => void;

  constructor(context: EngineContext, account: () => AccountTag, wake: () => void) {
    this.#context = context;
    this.#account = account;
    this.#wake = wake;
  }

  async list(page: Page = {}): Promise<readonly ConflictedOperation[]> {
    const { after, limit } = pageOf(page);
    const view = await this.#context.queue.view(this.#account());
    const operations = await view.inPhase(["conflict"], after, limit);
    const documents = await view.documents([...new Set(operations.map(({ entityTag }) => entityTag))]);
    return operations.map((operation) => {
      const server = newest(operation, documents.get(operation.entityTag));
      const before = isJsonObject(operation.content.before) ? operation.content.before : null;
      const fields = operation.detail.conflicts ?? [];
      return { ...keptOf(operation), before, fields, server, wanted: this.#wanted(operation, server) };
    });
  }

  /**
   * Decides one; durable on return. Resolves with false when there is no conflict of this id any more. Rejects with `INVALID_OPERATION`
   * when the choice cannot be carried out, and then nothing was changed.
   */
  async resolve(id: string, resolution: Resolution): Promise<boolean> {
    const { queue, events, watchers } = this.#context;
    const account = this.#account();
    const found = await (await queue.view(account)).byId(id);
    if (found === undefined || !("operation" in found)) return false;
    const { seq } = found.operation;
    let told: () => void = () => undefined;
    let ended: readonly QueuedOperation[] = [];
    const wrote = await queue.change(account, undefined, async (view, change) => {
      const [operation] = await view.bySeq([seq]);
      if (operation?.phase !== "conflict") return;
      const documents = await view.documents([operation.entityTag]);
      const edit =
        resolution === "theirs" ? undefined : editOf(operation, resolution, newest(operation, documents.get(operation.entityTag)));
      // One that holds more than a transaction lets go is finished when the engine opens again, or by the next decision.
      await release(view, change, operation);
      // Theirs stays: of a group nothing is applied, then.
      ended = edit === undefined ? await membersOf(view, operation) : [];
      if (edit !== undefined) change.move(operation, "resolve", { firstSendAt: 0, detail: this.#reopened(operation, edit) });
      else for (const member of ended) change.move(change.after(member), "supersede", { receipt: { outcome: "superseded" } });
      told = () => {
        const choice = typeof resolution === "string" ? resolution : "merged";
        events.emit({ type: "resolved", operation: factsOf(operation), choice, by: "person" });
        for (const member of ended)
          watchers.tell(member.content.id, { ...statusInQueue(member), state: "superseded", settled: { verdict: "superseded" } });
      };
    });
    if (!wrote) return false;
    told();
    await finishReleases(this.#context, account);
    this.#wake();
    return true;
  }

  #reopened(operation: QueuedOperation, edit: Edit): StateDetail {
    const {
      conflicts: _conflicts,
      current: _current,
      code: _code,
      status: _status,
      lastError: _error,
      merges: _merges,
      ...rest
    } = operation.detail;
    const oldKey = currentKey(operation);
    const entry = { at: nowOf(this.#context), event: "resolved", key: oldKey };
    return {
      ...rest,
      edit,
      key: this.#context.queue.newUuid(),
      supersedes: [...(rest.supersedes ?? []), oldKey],
      history: [...(rest.history ?? []), entry].slice(-MAX_HISTORY),
    };
  }

  #wanted({ content }: QueuedOperation, server: ServerDocument | null): JsonObject | null {
    // As "mine" would write it: over theirs, not merged with it.
    const { merge: _merge, ...live } = liveOf(this.#context.settings.registry, content, "conflict");
    return fold(server?.value ?? null, [live]).value;
  }
}

/** What goes to the server instead. @throws SyncError `INVALID_OPERATION` when it cannot be said */
function editOf({ content }: QueuedOperation, resolution: Exclude<Resolution, "theirs">, server: ServerDocument | null): Edit {
  const { type, payload } = content;
  if (server === null) throw impossible("what the server holds is not known yet; try again when it has been read");
  const { version, value } = server;
  if (typeof resolution === "object") {
    if (type !== "CREATE" && type !== "UPDATE")
      throw impossible(`${type} carries no fields that could be merged: choose "mine" or "theirs"`);
    if (!isJsonObject(resolution.merged)) throw impossible("merged must be an object with the fields as they shall be");
  }
  if (type === "DELETE") return { type: "DELETE", payload, base: { version } };
  if (value === null && type !== "CREATE")
    throw impossible('it was deleted meanwhile: choose "theirs", and create it anew if it is still wanted');
  const wanted = typeof resolution === "object" ? resolution.merged : payload;
  if (type === "CREATE" && value === null) return { payload: wanted };
  const before = isJsonObject(value) ? { before: value } : {};
  return { ...(type === "CREATE" || type === "UPDATE" ? { type: "UPDATE" as const } : {}), payload: wanted, ...before, base: { version } };
}

function impossible(why: string): SyncError {
  return new SyncError("INVALID_OPERATION", `This conflict cannot be resolved so: ${why}. Nothing was changed.`);
}

/** Of what the answer said, and what the change feed has brought since. */
function newest({ detail: { current } }: QueuedOperation, known: EntityDocument | undefined): ServerDocument | null {
  if (known !== undefined && known.version >= (current?.version ?? 0)) return { version: known.version, value: known.data };
  return current === undefined ? null : { version: current.version, value: current.data };
}
