/// <reference lib="dom" />
import type { Queue } from "workbox-background-sync";
import { rowOf } from "./row.ts";
import type { Subject } from "./subject.ts";

/** In the page: of the service worker it needs only `registration`, to look whether the browser wakes it up. */
export async function workbox(): Promise<Subject> {
  Object.defineProperty(self, "registration", { value: {}, configurable: true });
  const { Queue } = await import("workbox-background-sync");
  return {
    async open(name, origin) {
      const queue: Queue = new Queue(name, { forceSyncFallback: true, onSync: () => Promise.resolve() });
      await queue.size();
      return {
        add(index) {
          const body = JSON.stringify(rowOf(index));
          return queue.pushRequest({ request: new Request(`${origin}/peer/rest`, { method: "POST", body }) });
        },
        send: () => queue.replayRequests(),
        stored: () => queue.size(),
        async close() {},
      };
    },
  };
}
