import { describe, expect, it } from "vitest";
import type { OpenedStore } from "../ports/index.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { storeContract } from "../testing/store-contract.ts";
import { STOPPED_CLOCK } from "../testing/store-contract-world.ts";
import { MemoryDisk, memoryStore } from "./memory.ts";

const world = { clock: STOPPED_CLOCK, random: new SeededRandom(1) };

storeContract(
  {
    name: "memory",
    place: () => {
      const disk = new MemoryDisk();
      return Promise.resolve({ open: (): Promise<OpenedStore> => memoryStore({ disk }).open(world) });
    },
  },
  { describe, it, expect },
);
