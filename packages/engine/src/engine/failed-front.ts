import type { FailedList } from "./failed.ts";

/** What a person can do about operations that failed, were parked, or put aside. */
export type Failed = Pick<FailedList, keyof FailedList>;

/** Each call waits for the code of the list, which a page loads after it has begun. */
export function failedOver(needed: () => Promise<{ readonly failed: FailedList }>): Failed {
  const over =
    <A extends readonly unknown[], R>(call: (list: FailedList, ...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> =>
      call((await needed()).failed, ...args);
  return {
    list: over((list, ...args) => list.list(...args)),
    retry: over((list, selection) => list.retry(selection)),
    archive: over((list, selection) => list.archive(selection)),
    clear: over((list, selection) => list.clear(selection)),
    restore: over((list, selection) => list.restore(selection)),
    discard: over((list, selection) => list.discard(selection)),
    count: over((list, ...args) => list.count(...args)),
    find: over((list, id) => list.find(id)),
  };
}
