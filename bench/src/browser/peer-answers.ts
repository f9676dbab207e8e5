/** What a peer's backend answers, and how many operations the request brought. */
export interface PeerAnswer {
  readonly status: number;
  readonly data: unknown;
  readonly units: number;
}

const ok = (data: unknown, units = 0): PeerAnswer => ({ status: 200, data, units });
const NOT_FOUND: PeerAnswer = { status: 404, data: { error: "not_found", reason: "missing" }, units: 0 };

/** The backends of the peers. They keep nothing but PouchDB's checkpoints, without which it would send everything again. */
export class PeerBackends {
  readonly #checkpoints = new Map<string, object>();

  /** `/peer/rest`: one operation. `/peer/rxdb`: rows, none of them in conflict. `/peer/couch`: CouchDB, as far as a push goes. */
  answer(method: string, path: string, body: string): PeerAnswer {
    const [, , peer = "", ...rest] = path.split("?", 1)[0]?.split("/") ?? [];
    switch (peer) {
      case "rest":
        return ok({}, 1);
      case "rxdb":
        return ok([], (JSON.parse(body) as unknown[]).length);
      case "couch":
        return this.#couch(method, rest, body);
      default:
        return NOT_FOUND;
    }
  }

  #couch(method: string, [resource = "", id = ""]: readonly string[], body: string): PeerAnswer {
    switch (resource) {
      case "":
        return ok({ db_name: "couch", instance_start_time: "0", update_seq: 0, doc_count: 0 });
      case "_local": {
        if (method === "PUT") this.#checkpoints.set(id, JSON.parse(body) as object);
        const checkpoint = this.#checkpoints.get(id);
        if (checkpoint === undefined) return NOT_FOUND;
        return ok(method === "PUT" ? { ok: true, id, rev: "0-1" } : { ...checkpoint, _rev: "0-1" });
      }
      case "_revs_diff": {
        const asked = Object.entries(JSON.parse(body) as Record<string, readonly string[]>);
        return ok(Object.fromEntries(asked.map(([doc, missing]) => [doc, { missing }])));
      }
      case "_bulk_docs":
        return ok([], (JSON.parse(body) as { readonly docs: readonly unknown[] }).docs.length);
      default:
        return NOT_FOUND;
    }
  }
}
