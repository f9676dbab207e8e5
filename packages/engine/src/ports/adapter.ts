import type { Clock, FastLock, KeyRing, Random } from "./world.ts";
import type { QueueStore, StoreNotice } from "./store.ts";

export interface OpenedStore {
  readonly store: QueueStore;
  readonly keys: KeyRing;
  /** 16 random bytes made with the store and kept encrypted in its meta table (reading them is the key check): the key of all tags. */
  readonly tagKey: Uint8Array;
  /** null where the platform has none: then only the lease decides. */
  readonly fastLock: FastLock | null;
  readonly notices: readonly StoreNotice[];
  /**
   * Tells that the file may have been written, by whomever, until the returned function is called. A hint for an engine at
   * rest: it costs nothing while nobody writes. Absent where the platform cannot tell.
   */
  readonly watch?: (listener: () => void) => () => void;
  /**
   * The queue as it is now, for reading, whatever is written meanwhile; until it is closed. Absent where the platform has no reads of
   * one moment that outlast a call.
   */
  readonly freeze?: () => Promise<QueueStore>;
  /** Whether the platform may delete the queue when space runs short. Absent where it never does. */
  readonly isEvictable?: () => Promise<boolean>;
}

/** What `sqliteStore(…)`, `memoryStore(…)` return: a store that is not open yet. */
export interface StoreAdapter {
  /** For messages: `sqlite app.db`. Holds no key. */
  readonly description: string;
  /** Rejects with `WRONG_KEY`, `STORE_NEWER`, `STORAGE_READ_ONLY`, `STORAGE_UNAVAILABLE`, `STORAGE_CORRUPT`; the file is then untouched. */
  open(world: { readonly clock: Clock; readonly random: Random }): Promise<OpenedStore>;
}
