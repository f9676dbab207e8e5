import { uuidV4 } from "@guardian-sync/protocol";
import { openTagKey, plainKeyRing, sealTagKey, TAG_KEY_BYTES } from "../format/index.ts";
import type { FastLock, KeyRing, OpenedStore, QueueStore, Random, StoreAdapter } from "../ports/index.ts";
import { MemoryDisk } from "./memory-disk.ts";
import { MemoryStore } from "./memory-store.ts";

export { MemoryDisk } from "./memory-disk.ts";

export interface MemoryStoreOptions {
  /** What the store is kept on. Left out: a new one, gone with the store. */
  readonly disk?: MemoryDisk;
  /** Left out: records are not encrypted. The disk remembers its keys: another ring is refused with `WRONG_KEY`. */
  readonly keys?: KeyRing;
}

/** A store that keeps nothing beyond its process: for tests, for simulation, and for apps that need no durability. */
export function memoryStore({ disk = new MemoryDisk(), keys = plainKeyRing() }: MemoryStoreOptions = {}): StoreAdapter {
  return {
    description: "memory",
    async open({ random }): Promise<OpenedStore> {
      const { storeId, tagKey } = disk.identity ?? (await identify(disk, keys, random));
      const opened = await openTagKey(keys, storeId, tagKey);
      const freeze = (): Promise<QueueStore> => Promise.resolve(new MemoryStore(disk.copy(), storeId));
      return { store: new MemoryStore(disk, storeId), keys, tagKey: opened, fastLock: new MemoryFastLock(disk), notices: [], freeze };
    },
  };
}

async function identify(disk: MemoryDisk, keys: KeyRing, random: Random): Promise<NonNullable<MemoryDisk["identity"]>> {
  const storeId = uuidV4((length) => random.bytes(length));
  const tagKey = await sealTagKey(keys, storeId, random.bytes(TAG_KEY_BYTES));
  // Another store may have opened the disk during the wait.
  disk.identity ??= { storeId, tagKey };
  return disk.identity;
}

/** Held until it is given back: who simulates the death of a process gives it back in its name. */
class MemoryFastLock implements FastLock {
  readonly #disk: MemoryDisk;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  tryAcquire(): Promise<boolean> {
    this.#disk.fastLockHolder ??= this;
    return Promise.resolve(this.#disk.fastLockHolder === this);
  }
  release(): Promise<void> {
    if (this.#disk.fastLockHolder === this) this.#disk.fastLockHolder = undefined;
    return Promise.resolve();
  }
}
