import type { OpenedStore, QueueStore, StoreAdapter } from "../ports/index.ts";

type Call = Exclude<keyof QueueStore, "storeId" | "formatVersion">;
type Args<K extends Call> = Parameters<QueueStore[K]>;

/** Hears of calls before they reach the store; what it throws, or rejects with, is what the caller gets. */
export type StoreTaps = { readonly [K in Call]?: (...args: Args<K>) => void | Promise<void> };

/** A store that somebody listens to, or stands in the way of. */
export function tappedStore(adapter: StoreAdapter, taps: StoreTaps): StoreAdapter {
  return {
    description: adapter.description,
    async open(world): Promise<OpenedStore> {
      const opened = await adapter.open(world);
      const { freeze } = opened;
      const frozen = freeze === undefined ? {} : { freeze: async () => tapped(await freeze(), taps) };
      return { ...opened, store: tapped(opened.store, taps), ...frozen };
    },
  };
}

function tapped(store: QueueStore, taps: StoreTaps): QueueStore {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const tap = (taps as { readonly [call: PropertyKey]: ((...args: unknown[]) => void | Promise<void>) | undefined })[name];
      return async (...args: unknown[]) => {
        const wait = tap?.(...args);
        if (wait !== undefined) await wait;
        return (value as (...all: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}
