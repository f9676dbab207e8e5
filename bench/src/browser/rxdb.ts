import { createRxDatabase, type RxCollection, type RxJsonSchema } from "rxdb/plugins/core";
import { replicateRxCollection } from "rxdb/plugins/replication";
import { getRxStorageDexie } from "rxdb/plugins/storage-dexie";
import { rowOf } from "./row.ts";
import type { Subject } from "./subject.ts";

const PUSH_BATCH = 100;
type Row = ReturnType<typeof rowOf>;

const SCHEMA: RxJsonSchema<Row> = {
  version: 0,
  primaryKey: "id",
  type: "object",
  properties: {
    id: { type: "string", maxLength: 40 },
    key: { type: "string" },
    created_at: { type: "number" },
    type: { type: "string" },
    entityType: { type: "string" },
    entityId: { type: "string" },
    payload: { type: "object" },
  } as never,
  required: ["id"],
};

export function rxdb(): Subject {
  return {
    async open(name, origin) {
      const db = await createRxDatabase({ name, storage: getRxStorageDexie(), multiInstance: false });
      const { operations } = await db.addCollections<{ operations: RxCollection<Row> }>({ operations: { schema: SCHEMA } });
      const sent = new Set<string>();
      return {
        async add(index) {
          await operations.insert(rowOf(index));
        },
        async addMany(from, count) {
          const { error } = await operations.bulkInsert(Array.from({ length: count }, (_, i) => rowOf(from + i)));
          if (error.length > 0) throw new Error(`RxDB refused ${error.length} documents`);
        },
        async send() {
          const replication = replicateRxCollection({
            collection: operations,
            replicationIdentifier: "bench",
            live: false,
            waitForLeadership: false,
            push: {
              batchSize: PUSH_BATCH,
              async handler(rows) {
                const body = JSON.stringify(rows.map(({ newDocumentState }) => newDocumentState));
                const answer = await fetch(`${origin}/peer/rxdb`, { method: "POST", body });
                for (const { newDocumentState } of rows) sent.add((newDocumentState as unknown as Row).id);
                return (await answer.json()) as never[];
              },
            },
          });
          await replication.awaitInitialReplication();
          await replication.cancel();
        },
        // A replicated document stays in its collection.
        stored: async () => (await operations.count().exec()) - sent.size,
        async close() {
          await db.close();
        },
      };
    },
  };
}
