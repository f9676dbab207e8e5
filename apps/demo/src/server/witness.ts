import { HEADERS } from "@guardian-sync/protocol";
import type { PlainRequest, Storage } from "@guardian-sync/server";
import { DEVICE_HEADER, type DemoState, type Faults } from "../state.ts";
import { ACCOUNT } from "./account.ts";

const LATEST = 12;
const PAGE = 500;

/** Says what the server holds: read from its storage, in one transaction; what came twice it sees in the answers. */
export class Witness {
  readonly #storage: Storage;
  readonly #deviceOfClient = new Map<string, string>();
  #replays = 0;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** Takes in a request of a device, and its answer, whether or not it arrives. */
  note({ headers }: PlainRequest, answer: string): void {
    const [client, device] = [headers[HEADERS.deviceId.toLowerCase()], headers[DEVICE_HEADER.toLowerCase()]];
    if (client !== undefined && (device === "phone" || device === "tablet")) this.#deviceOfClient.set(client, device);
    if (!answer.includes('"replayed"')) return;
    const { data } = JSON.parse(answer) as { readonly data?: { readonly results?: readonly { readonly replayed?: boolean }[] } };
    this.#replays += (data?.results ?? []).filter(({ replayed }) => replayed === true).length;
  }

  async isEmpty(): Promise<boolean> {
    return (await this.#storage.read((tx) => tx.space(ACCOUNT.space))) === null;
  }

  /** `after`: the effects behind this one, the first 500; otherwise the latest. */
  async state(faults: Faults, after?: number): Promise<DemoState> {
    return this.#storage.read(async (tx) => {
      const head = (await tx.space(ACCOUNT.space))?.headSeq ?? 0;
      const documents = await tx.entities(ACCOUNT.space, { after: null, limit: PAGE });
      const changes = await tx.changes(ACCOUNT.space, { after: after ?? Math.max(0, head - LATEST), limit: PAGE });
      return {
        documents: documents.flatMap(({ type, id, version, document }) =>
          document === null ? [] : [{ type, id, version, data: document }],
        ),
        effects: head,
        latest: changes.map(({ seq, kind, type, id, version, clientId, operationId, document }) => ({
          seq,
          kind,
          entityType: type,
          entityId: id,
          version,
          device: clientId === null ? "house" : (this.#deviceOfClient.get(clientId) ?? "unknown"),
          operationId,
          data: document,
        })),
        replays: this.#replays,
        faults,
      };
    });
  }
}
