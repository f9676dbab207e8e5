/** Judges a run by the server's change feed: the one place where every effect has exactly one line. */
import type { EngineStatus } from "guardian-sync";

/** An operation whose `stored` has resolved. */
export interface Acknowledged {
  readonly id: string;
  readonly seq: number;
}

export interface FeedChange {
  readonly seq: number;
  readonly op: string;
  readonly entity_type: string;
  readonly entity_id: string;
  readonly version: number;
  readonly data: Readonly<Record<string, unknown>> | null;
  readonly origin: { readonly client_id: string | null; readonly operation_id: string | null };
}

export interface Judged {
  readonly figures: {
    readonly acknowledged: number;
    readonly effects: number;
    /** Durable, though the process died before it could say so. */
    readonly unacknowledged: number;
    readonly lost: number;
    readonly duplicated: number;
    readonly reordered: number;
    readonly wrong_versions: number;
  };
  readonly faults: readonly string[];
}

const SHOWN = 3;

/**
 * Every acknowledged operation has one effect, in the order of `seq`; every document's version equals the number of its
 * effects; nothing else is in the feed twice, either.
 */
export function judgeFeed(acknowledged: readonly Acknowledged[], changes: readonly FeedChange[]): Judged {
  const faults: string[] = [];
  const report = (what: string, found: readonly string[]): number => {
    if (found.length > 0) faults.push(`${found.length} ${what}: ${found.slice(0, SHOWN).join(", ")}${found.length > SHOWN ? ", …" : ""}`);
    return found.length;
  };

  const effects = new Map<string, number>();
  for (const { origin } of changes) {
    const id = origin.operation_id ?? "(none)";
    effects.set(id, (effects.get(id) ?? 0) + 1);
  }
  const seqs = new Map(acknowledged.map(({ id, seq }) => [id, seq]));
  const lost = acknowledged.filter(({ id }) => !effects.has(id)).map(({ id, seq }) => `${id} (seq ${seq})`);
  const duplicated = [...effects].filter(([, count]) => count > 1).map(([id, count]) => `${id} × ${count}`);

  const reordered: string[] = [];
  let last = 0;
  for (const { seq: at, origin } of changes.toSorted((a, b) => a.seq - b.seq)) {
    const seq = seqs.get(origin.operation_id ?? "");
    if (seq === undefined) continue;
    if (seq < last) reordered.push(`seq ${seq} after seq ${last} at change ${at}`);
    last = Math.max(last, seq);
  }

  const wrong = changes
    .filter(({ entity_type, version, data }) => version !== (entity_type === "monitor" ? data?.readings : data?.n))
    .map(({ entity_type, entity_id, version, data }) => `${entity_type} ${entity_id} version ${version} holds ${JSON.stringify(data)}`);

  return {
    figures: {
      acknowledged: acknowledged.length,
      effects: changes.length,
      unacknowledged: [...effects.keys()].filter((id) => !seqs.has(id)).length,
      lost: report("acknowledged operations lost", lost),
      duplicated: report("operations applied more than once", duplicated),
      reordered: report("effects out of the order of seq", reordered),
      wrong_versions: report("documents whose version is not the number of their effects", wrong),
    },
    faults,
  };
}

/** The books of a queue that has been drained: all enqueued succeeded, nothing waits, the law of conservation holds. */
export function judgeBooks(status: EngineStatus, effects: number): readonly string[] {
  const faults: string[] = [];
  const { enqueued, succeeded, pending, sealed, failed, archived, conflict, cancelled, quarantined } = status;
  const books = JSON.stringify({ enqueued, succeeded, pending, sealed, failed, archived, conflict, cancelled, quarantined });
  if (!status.conserved) faults.push(`conservation is broken: ${books}`);
  if (pending + sealed > 0) faults.push(`something still waits: ${books}, ${status.reason ?? ""}`);
  if (succeeded !== enqueued) faults.push(`not everything succeeded: ${books}`);
  if (enqueued !== effects) faults.push(`${enqueued} operations were enqueued, the feed has ${effects} effects`);
  return faults;
}
