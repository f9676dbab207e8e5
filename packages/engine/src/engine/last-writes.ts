import { type OperationId, SyncError } from "@guardian-sync/protocol";
import type { OperationContent } from "../format/index.ts";
import type { AccountTag } from "../ports/index.ts";
import type { ChangeSet } from "../queue/change-set.ts";

interface LastWrite {
  readonly id: OperationId;
  readonly type: string;
}
/** Entities that are remembered: the ones written last. */
const MAX_ENTITIES = 4096;
/** What leaves the view, or is in the server's document: it says nothing of the next write any more. */
const OVER: ReadonlySet<string> = new Set(["acked", "failed", "archived"]);
const NEVER: Readonly<Record<string, string>> = {
  "DELETE UPDATE": "cancel that DELETE to keep the entity, or CREATE it anew",
  "UPDATE CREATE": "it exists already, UPDATE it",
  "CREATE CREATE": "it is created already, UPDATE it",
};

/**
 * The last plain write of each entity that this process has queued and that has not ended. What could only fail behind it is refused
 * where it is made. A help, no promise: what others queued, and what was queued before, is judged by the server.
 */
export class LastWrites {
  readonly #last = new Map<string, LastWrite>();

  /** `onRefused`: for somebody who can look whether it has ended meanwhile. @throws SyncError `INVALID_OPERATION` */
  take(account: AccountTag, contents: readonly OperationContent[], onRefused: (content: OperationContent, id: OperationId) => void): void {
    const own = new Map<string, LastWrite>();
    for (const content of contents) {
      const { id, type, entityType } = content;
      const name = nameOf(account, content);
      const last = own.get(name) ?? this.#last.get(name);
      const advice = NEVER[`${last?.type} ${type}`];
      if (last !== undefined && advice !== undefined) {
        onRefused(content, last.id);
        const what = `${type} of ${entityType}: a ${last.type} of the same entity waits to be sent`;
        throw new SyncError("INVALID_OPERATION", `${what}; ${advice}. Nothing was queued.`);
      }
      own.set(name, { id, type });
    }
    for (const [name, last] of own) {
      this.#last.delete(name);
      this.#last.set(name, last);
    }
    for (const name of this.#last.keys()) {
      if (this.#last.size <= MAX_ENTITIES) return;
      this.#last.delete(name);
    }
  }

  changed({ account, ended, changed }: ChangeSet): void {
    if (this.#last.size === 0) return;
    for (const { content } of ended) this.forget(account, content, content.id);
    for (const { content, phase, detail } of changed)
      if (OVER.has(phase)) this.forget(account, content, detail.members === undefined ? content.id : undefined);
  }

  /** `id`: only if it is this one. */
  forget(account: AccountTag, content: Pick<OperationContent, "entityType" | "entityId">, id?: string): void {
    const name = nameOf(account, content);
    if (id === undefined || this.#last.get(name)?.id === id) this.#last.delete(name);
  }
}

function nameOf(account: AccountTag, { entityType, entityId }: Pick<OperationContent, "entityType" | "entityId">): string {
  return `${account} ${entityType}\n${entityId}`;
}
