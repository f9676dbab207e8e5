import { describe, expect, it } from "vitest";
import type { OpenedStore } from "../ports/index.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { type StorePlace, storeContract } from "../testing/store-contract.ts";
import { STOPPED_CLOCK } from "../testing/store-contract-world.ts";
import { type IndexedDbEncryption, indexedDbStore } from "./indexeddb.ts";
import { deleteDatabase } from "./indexeddb.test.support.ts";

const world = { clock: STOPPED_CLOCK, random: new SeededRandom(1) };

async function place(encryption: IndexedDbEncryption | undefined): Promise<StorePlace> {
  const name = `contract-${crypto.randomUUID()}`;
  const options = encryption === undefined ? { name } : { name, encryption };
  return {
    open: (): Promise<OpenedStore> => indexedDbStore(options).open(world),
    destroy: () => deleteDatabase(name),
  };
}

storeContract({ name: "IndexedDB", place: () => place(undefined) }, { describe, it, expect });
storeContract(
  { name: "IndexedDB with a key of the app", place: () => place({ key: new Uint8Array(32).fill(7) }) },
  { describe, it, expect },
);
storeContract({ name: "unencrypted IndexedDB", place: () => place("none") }, { describe, it, expect });
