import type { JsonObject } from "@guardian-sync/protocol";
import { fold, type LiveOperation } from "../core/fold.ts";
import type { EntityDocument } from "../format/index.ts";
import type { AccountTag } from "../ports/index.ts";
import type { QueuedOperation } from "../queue/records.ts";
import type { EngineContext } from "./context.ts";
import { type KeptOperation, keptOf } from "./failed.ts";
import { type Page, pageOf } from "./page.ts";

/** What the server holds of an entity. */
export interface ServerDocument {
  readonly version: number;
  /** null: it was deleted. undefined: only its version is known. */
  readonly value: JsonObject | null | undefined;
}
/** An operation that met somebody else's write, with both sides: what a person needs to decide. */
export interface ConflictedOperation extends KeptOperation {
  /** The newest that is known; null: nothing is. */
  readonly server: ServerDocument | null;
  /** The server's document with this operation on top; null: there would be none, or it is not known. */
  readonly wanted: JsonObject | null;
}

/** The operations that somebody else's write stopped. */
export class ConflictList {
  readonly #context: EngineContext;
  readonly #account: () => AccountTag;

  constructor(context: EngineContext, account: () => AccountTag) {
    this.#context = context;
    this.#account = account;
  }

  async list(page: Page = {}): Promise<readonly ConflictedOperation[]> {
    const { after, limit } = pageOf(page);
    const view = await this.#context.queue.view(this.#account());
    const operations = await view.inPhase(["conflict"], after, limit);
    const documents = await view.documents([...new Set(operations.map(({ entityTag }) => entityTag))]);
    return operations.map((operation) => {
      const server = newest(operation, documents.get(operation.entityTag));
      return { ...keptOf(operation), server, wanted: this.#wanted(operation, server) };
    });
  }

  #wanted({ content: { type, payload } }: QueuedOperation, server: ServerDocument | null): JsonObject | null {
    const apply = this.#context.settings.registry.operations.get(type)?.apply as LiveOperation["apply"];
    return fold(server?.value ?? null, [{ type, payload, state: "conflict", apply }]).value;
  }
}

/** Of what the answer said, and what the change feed has brought since. */
function newest({ detail: { current } }: QueuedOperation, known: EntityDocument | undefined): ServerDocument | null {
  if (known !== undefined && known.version >= (current?.version ?? 0)) return { version: known.version, value: known.data };
  return current === undefined ? null : { version: current.version, value: current.data };
}
