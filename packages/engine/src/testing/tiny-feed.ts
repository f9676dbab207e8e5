import { type Change, isJsonObject, type Json, type JsonObject, type WireOperation } from "@guardian-sync/protocol";
import type { Exchange } from "../ports/index.ts";
import { answeredData, refused, type SeenRequest } from "./scripted-transport.ts";

export interface TinyChange {
  readonly entityType: string;
  readonly entityId: string;
  readonly version: number;
  /** null: deleted. */
  readonly data: JsonObject | null;
  readonly clientId: string | null;
  readonly operationId: string | null;
}

/** The feed of the tiny backend: snapshot and changes, in pages of `pageItems`. Long polls are answered at once. */
export class TinyFeed {
  readonly #changes: Change[] = [];
  readonly #documents = new Map<string, Change>();
  /** What declared operations do; plain ones need none. */
  readonly effects: Map<string, (document: JsonObject, payload: Json) => JsonObject> = new Map();
  generation = "g1";
  pageItems = 100;
  /** Positions before it are forgotten: 410. */
  floor = 0;

  get head(): number {
    return this.#changes.length;
  }

  /** What the documents are now, by id. */
  get documents(): ReadonlyMap<string, JsonObject> {
    return new Map([...this.#documents].flatMap(([id, { data }]) => (data === null ? [] : [[id, data] as const])));
  }

  /** The effect of an operation. Returns its place. */
  add({ type, entity_type, entity_id, payload, operation_id }: WireOperation, version: number, clientId: string): number {
    const before = type === "CREATE" ? {} : (this.#documents.get(entity_id)?.data ?? {});
    const effect = this.effects.get(type) ?? ((document, patch) => ({ ...document, ...(isJsonObject(patch) ? patch : {}) }));
    const data = type === "DELETE" ? null : effect(before, payload ?? null);
    return this.put({ entityType: entity_type, entityId: entity_id, version, data, clientId, operationId: operation_id });
  }

  put({ entityType, entityId, version, data, clientId, operationId }: TinyChange): number {
    const seq = this.#changes.length + 1;
    const change: Change = {
      seq,
      txn: seq,
      op: data === null ? "del" : "put",
      entity_type: entityType,
      entity_id: entityId,
      version,
      data,
      origin: { client_id: clientId, operation_id: operationId },
    };
    this.#changes.push(change);
    this.#documents.set(entityId, change);
    return seq;
  }

  changes(request: SeenRequest): Exchange {
    const cursor = new URL(request.url).searchParams.get("cursor") ?? "";
    const [generation, text] = cursor.split(":");
    const from = Number(text);
    if (generation !== this.generation || from < this.floor || from > this.head) return refused(410, "CURSOR_EXPIRED")(request);
    const changes = this.#changes.slice(from, from + this.pageItems);
    const to = from + changes.length;
    return answeredData(request, {
      from_seq: from,
      to_seq: to,
      head_seq: this.head,
      generation: this.generation,
      cursor: this.#cursor(to),
      has_more: to < this.head,
      complete: true,
      changes: changes as never,
    });
  }

  snapshot(request: SeenRequest, opNumber: number): Exchange {
    const page = new URL(request.url).searchParams.get("page");
    const [asOf, first] = page === null ? [this.head, 0] : page.split(":").map(Number);
    const all = [...this.#documents.values()].filter(({ data }) => data !== null);
    const items = all.slice(first, (first as number) + this.pageItems);
    const next = (first as number) + items.length;
    return answeredData(request, {
      generation: this.generation,
      cursor: this.#cursor(asOf as number),
      ...(page === null ? { as_of: asOf as number } : {}),
      own: { client_id: request.headers["X-Device-Id"] ?? "", op_number: opNumber },
      ...(next < all.length ? { next_page: `${asOf}:${next}` } : { until: this.head }),
      items: items.map(({ entity_type, entity_id, version, seq, data }) => ({ entity_type, entity_id, version, seq, data })) as never,
    });
  }

  #cursor(seq: number): string {
    return `${this.generation}:${seq}`;
  }
}
