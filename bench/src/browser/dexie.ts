import { Dexie, type Table } from "dexie";
import { rowOf } from "./row.ts";
import type { Subject } from "./subject.ts";

/** A table that an app would keep its own queue in. */
export function dexie(durability: "default" | "strict"): Subject {
  return {
    async open(name) {
      const db = new Dexie(name, { chromeTransactionDurability: durability });
      db.version(1).stores({ operations: "++seq, &id" });
      await db.open();
      const operations: Table = db.table("operations");
      return {
        async add(index) {
          await operations.add(rowOf(index));
        },
        async addMany(from, count) {
          await operations.bulkAdd(Array.from({ length: count }, (_, i) => rowOf(from + i)));
        },
        stored: () => operations.count(),
        async close() {
          db.close();
        },
      };
    },
  };
}
