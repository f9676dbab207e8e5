import PouchDB from "pouchdb-browser";
import { rowOf } from "./row.ts";
import type { Subject } from "./subject.ts";

const docOf = (index: number): object => {
  const { id, ...row } = rowOf(index);
  return { _id: id, ...row };
};

export function pouchdb(): Subject {
  return {
    async open(name, origin) {
      const db = new PouchDB(name);
      await db.info();
      let sent = 0;
      return {
        async add(index) {
          await db.put(docOf(index));
        },
        async addMany(from, count) {
          const answers = await db.bulkDocs(Array.from({ length: count }, (_, i) => docOf(from + i)));
          if (answers.some((answer) => "error" in answer)) throw new Error("PouchDB refused a document");
        },
        async send() {
          const { ok, docs_written: written } = await db.replicate.to(`${origin}/peer/couch`);
          if (!ok) throw new Error("PouchDB did not replicate");
          sent += written;
        },
        // A replicated document stays in its database.
        stored: async () => (await db.info()).doc_count - sent,
        close: () => db.close(),
      };
    },
  };
}
