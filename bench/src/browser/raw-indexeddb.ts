/// <reference lib="dom" />
import { updateOf } from "../workload.ts";
import type { Subject } from "./subject.ts";

const STORE = "operations";
const FIRST_BATCH = 50;

/** What every durable queue has to keep of an operation: its ids, its key, what it is about, its state and its payload. */
function contentOf(index: number): object {
  return {
    id: `${String(index).padStart(12, "0")}-0000-7000-8000-000000000000`,
    key: crypto.randomUUID(),
    trace_id: crypto.randomUUID(),
    version: 1,
    created_at: Date.now(),
    status: 0,
    ...updateOf(index),
  };
}

/** The record of IndexedDB's own limit: `rows`, one for each operation; `segments`, one for all that a call brings. */
export function rawIndexedDb(shape: "rows" | "segments"): Subject {
  return {
    async open(name, origin) {
      const db = await openDatabase(name);
      const write = (from: number, count: number): Promise<void> =>
        new Promise((resolve, reject) => {
          const tx = db.transaction(STORE, "readwrite", { durability: "strict" });
          tx.oncomplete = (): void => resolve();
          tx.onabort = (): void => reject(tx.error ?? new Error("aborted"));
          const store = tx.objectStore(STORE);
          if (shape === "rows") for (let i = from; i < from + count; i++) store.add(contentOf(i));
          else store.add({ count, body: packed(from, count) });
          tx.commit();
        });
      return {
        add: (index) => write(index, 1),
        addMany: write,
        async stored() {
          const records = await answer(db.transaction(STORE).objectStore(STORE).getAll());
          return shape === "rows" ? records.length : (records as { count: number }[]).reduce((sum, { count }) => sum + count, 0);
        },
        /** The least that starts sending: the first record, opened, and a request made of it. */
        async send() {
          const first = (await answer(db.transaction(STORE).objectStore(STORE).get(1))) as { readonly body: Uint8Array<ArrayBuffer> };
          const lines = new TextDecoder().decode(first.body).split("\n").slice(0, FIRST_BATCH);
          const operations = lines.map((line) => JSON.parse(line) as unknown);
          await fetch(`${origin}/peer/rest`, { method: "POST", body: JSON.stringify({ operations }) });
        },
        async close() {
          db.close();
        },
      };
    },
  };
}

function packed(from: number, count: number): Uint8Array {
  const lines = Array.from({ length: count }, (_, i) => JSON.stringify(contentOf(from + i)));
  return new TextEncoder().encode(lines.join("\n"));
}

function openDatabase(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = (): void => void request.result.createObjectStore(STORE, { autoIncrement: true });
  return answer(request);
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = (): void => resolve(request.result);
    request.onerror = (): void => reject(request.error ?? new Error("refused"));
  });
}
