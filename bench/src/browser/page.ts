/// <reference lib="dom" />
// What runs in the page. Each library is a chunk of its own, so that a page has loaded none but the one it measures.
import { bareClient } from "./bare-client.ts";
import type { Queue, Subject } from "./subject.ts";

const SUBJECTS = {
  guardian: async () => (await import("./guardian.ts")).guardian(true),
  "guardian-plain": async () => (await import("./guardian.ts")).guardian(false),
  rows: async () => (await import("./raw-indexeddb.ts")).rawIndexedDb("rows"),
  segments: async () => (await import("./raw-indexeddb.ts")).rawIndexedDb("segments"),
  tanstack: async () => (await import("./tanstack.ts")).tanstack(),
  dexie: async () => (await import("./dexie.ts")).dexie("default"),
  "dexie-strict": async () => (await import("./dexie.ts")).dexie("strict"),
  rxdb: async () => (await import("./rxdb.ts")).rxdb(),
  pouchdb: async () => (await import("./pouchdb.ts")).pouchdb(),
  workbox: async () => (await import("./workbox.ts")).workbox(),
} satisfies Readonly<Record<string, () => Promise<Subject>>>;
export type SubjectId = keyof typeof SUBJECTS;

export interface EnqueueRun {
  readonly subject: SubjectId;
  readonly name: string;
  /** How many at once. */
  readonly size: number;
  /** `callers` each await their own; `many` is the library's way of storing several, if it has one. */
  readonly as: "callers" | "many";
  readonly times: number;
}

async function addAll(queue: Queue, from: number, count: number, as: EnqueueRun["as"]): Promise<void> {
  if (as === "many" && queue.addMany !== undefined) await queue.addMany(from, count);
  else await Promise.all(Array.from({ length: count }, (_, i) => queue.add(from + i)));
}

async function expectStored(queue: Queue, expected: number): Promise<void> {
  const stored = await queue.stored();
  if (stored !== expected) throw new Error(`${stored} operations are stored, and ${expected} were`);
}

/** Operations per second. */
async function enqueue({ subject, name, size, as, times }: EnqueueRun): Promise<number> {
  const queue = await (await SUBJECTS[subject]()).open(name, location.origin);
  const warmUp = 20;
  for (let i = 0; i < warmUp; i++) await queue.add(i);
  if (size > 1) await addAll(queue, warmUp, 100, as);
  const before = warmUp + (size > 1 ? 100 : 0);
  const startedAt = performance.now();
  for (let done = 0; done < times; done++) await addAll(queue, before + done * size, size, as);
  const elapsedMs = performance.now() - startedAt;
  await expectStored(queue, before + times * size);
  await queue.close();
  return (times * size) / (elapsedMs / 1000);
}

/** Brings a queue to `pending` operations. */
async function fill(subject: SubjectId, name: string, pending: number): Promise<void> {
  const queue = await (await SUBJECTS[subject]()).open(name, location.origin);
  const missing = pending - (await queue.stored());
  if (queue.fill !== undefined && missing > 0) await queue.fill(0, missing);
  else for (let done = 0; done < missing; done += 1000) await addAll(queue, done, Math.min(1000, missing - done), "many");
  await expectStored(queue, pending);
  await queue.close();
}

/** Milliseconds from opening until the first request with operations leaves, which is never answered. */
async function firstRequest(subject: SubjectId, name: string): Promise<number> {
  const { fetch } = globalThis;
  const left = new Promise<number>((resolve) => {
    globalThis.fetch = (input, init) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input, location.origin);
      if (!CARRIES_OPERATIONS.test(pathname)) return fetch(input, init);
      resolve(performance.now());
      return new Promise(() => {});
    };
  });
  // Only now: some keep the `fetch` that they find when they are loaded.
  const library = await SUBJECTS[subject]();
  const startedAt = performance.now();
  const queue = await library.open(name, location.origin);
  const failed = (queue.send?.() ?? Promise.reject(new Error("it sends nothing"))).then(() => Promise.reject(new Error("sent already")));
  return (await Promise.race([left, failed])) - startedAt;
}
const CARRIES_OPERATIONS = /\/sync\/ops$|\/peer\/rest$|\/peer\/rxdb$|\/_bulk_docs$/;

/** Operations per second, from a queue that waits until all of it was answered. */
async function drain(subject: SubjectId, name: string, units: number): Promise<number> {
  const queue = await (await SUBJECTS[subject]()).open(name, location.origin);
  if (queue.send === undefined) throw new Error(`${subject} sends nothing`);
  // The first connection, and whatever is agreed upon before the first operation, are not part of the rate.
  await queue.add(0);
  await queue.send();
  for (let done = 0; done < units; done += 1000) await addAll(queue, 1 + done, Math.min(1000, units - done), "many");
  await expectStored(queue, units);
  const startedAt = performance.now();
  await queue.send();
  const rate = units / ((performance.now() - startedAt) / 1000);
  await expectStored(queue, 0);
  await queue.close();
  return rate;
}

async function deleteDatabases(): Promise<void> {
  for (const { name = "" } of await indexedDB.databases()) {
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name);
      request.onsuccess = (): void => resolve();
      request.onerror = (): void => reject(request.error ?? new Error(`${name} cannot be deleted`));
    });
  }
}

const bench = { enqueue, fill, firstRequest, drain, bareClient, deleteDatabases };
export type Bench = typeof bench;
Object.assign(globalThis, { bench });
