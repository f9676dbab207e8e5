import {
  type Change,
  type OperationResult,
  parseChangesPage,
  parseSnapshotPage,
  type SnapshotRow,
  SYNC_PATHS,
} from "@guardian-sync/protocol";
import type { SyncServer } from "@guardian-sync/server";

/** One effect of the server's feed: an operation of some device changed something. */
export interface Effect {
  readonly seq: number;
  readonly kind: string;
  readonly entity: string;
  readonly version: number;
  /** "" when it was none of the story's devices. */
  readonly device: string;
  readonly operationId: string;
}

/** What the server can prove, asked of its public interface: the feed, the entities, and which answers were repetitions. */
export class Ledger {
  readonly #server: SyncServer;
  readonly #token: string;
  readonly #deviceOfClient = new Map<string, string>();
  readonly #replays = new Map<string, number>();
  readonly #effects: Effect[] = [];
  #cursor: string | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(server: SyncServer, token: string) {
    this.#server = server;
    this.#token = token;
  }

  /** Takes in an answer on its way to a device. */
  note(device: string, clientId: string, body: string): void {
    this.#deviceOfClient.set(clientId, device);
    const { data } = JSON.parse(body) as { readonly data?: { readonly results?: readonly OperationResult[] } };
    const replayed = (data?.results ?? []).filter((result) => result.replayed === true).length;
    this.#replays.set(device, this.replays(device) + replayed);
  }

  /** Operations of a device that came twice, and were recognised. */
  replays(device: string): number {
    return this.#replays.get(device) ?? 0;
  }

  /** Everything that ever took effect, in order. Reads what is new since the last time. */
  async effects(): Promise<readonly Effect[]> {
    this.#reading = this.#reading.then(() => this.#read());
    await this.#reading;
    return this.#effects;
  }

  async entities(): Promise<readonly SnapshotRow[]> {
    const rows: SnapshotRow[] = [];
    for (let page: string | undefined; ; ) {
      const parsed = parseSnapshotPage(await this.#ask(SYNC_PATHS.snapshot, page === undefined ? {} : { page }));
      if (!parsed.ok) throw new Error(`the server's snapshot: ${parsed.path} ${parsed.problem}`);
      rows.push(...parsed.value.items);
      page = parsed.value.next_page;
      if (page === undefined) return rows;
    }
  }

  async #read(): Promise<void> {
    for (;;) {
      const parsed = parseChangesPage(await this.#ask(SYNC_PATHS.changes, this.#cursor === undefined ? {} : { cursor: this.#cursor }));
      if (!parsed.ok) throw new Error(`the server's feed: ${parsed.path} ${parsed.problem}`);
      const { changes, cursor, has_more } = parsed.value;
      this.#effects.push(...changes.map((change) => this.#effect(change)));
      this.#cursor = cursor;
      if (!has_more) return;
    }
  }

  #effect({ seq, op, entity_type, entity_id, version, origin }: Change): Effect {
    const device = this.#deviceOfClient.get(origin.client_id ?? "") ?? "";
    return { seq, kind: op, entity: `${entity_type}/${entity_id}`, version, device, operationId: origin.operation_id ?? "" };
  }

  async #ask(path: string, query: { readonly [name: string]: string }): Promise<unknown> {
    const headers = { authorization: `Bearer ${this.#token}` };
    const answer = await this.#server.handle({ method: "GET", path, query, headers, body: new Uint8Array(), remoteAddress: "127.0.0.1" });
    if (answer.status !== 200) throw new Error(`the server answered ${answer.status} to ${path}`);
    return (JSON.parse(answer.body) as { readonly data: unknown }).data;
  }
}
