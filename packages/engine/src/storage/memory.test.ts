import { describe, expect, it } from "vitest";
import type { KeyRing, OpenedStore } from "../ports/index.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { storeContract } from "../testing/store-contract.ts";
import { ann, at, change, codeOf, ContractWorld, dump, state, STOPPED_CLOCK } from "../testing/store-contract-world.ts";
import { nodeKeyRing } from "./key-ring-node.ts";
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

const sync = nodeKeyRing({ current: "ab".repeat(32) });
/** As WebCrypto is: every answer later. */
const later: KeyRing = {
  currentKeyId: sync.currentKeyId,
  encrypt: async (plain, aad) => sync.encrypt(plain, aad),
  decrypt: async (bytes, aad) => sync.decrypt(bytes, aad),
};

describe("a memory disk", () => {
  async function filled(disk: MemoryDisk): Promise<{ readonly opened: OpenedStore; readonly contract: ContractWorld }> {
    const opened = await memoryStore({ disk }).open(world);
    const contract = new ContractWorld({ open: () => Promise.resolve(opened) });
    await opened.store.append([await contract.segment(opened, ann(opened), 3)]);
    await change(opened.store, ann(opened), { putStates: [state(opened, ann(opened), 3), state(opened, ann(opened), 2)] });
    return { opened, contract };
  }

  it("Q1 a copy is what a crash at that moment would have left", async () => {
    const disk = new MemoryDisk();
    const { opened, contract } = await filled(disk);
    const before = await dump(opened.store, [ann(opened)]);
    const copy = disk.copy();
    await opened.store.append([await contract.segment(opened, ann(opened), 2)]);
    await change(opened.store, ann(opened), { settleContent: [{ from: at(1), to: at(3) }], dropStates: [at(3)] });
    const again = await memoryStore({ disk: copy }).open(world);
    expect(again.store.storeId).toBe(opened.store.storeId);
    expect(await dump(again.store, [ann(again)])).toEqual(before);
    expect(await again.store.append([await contract.segment(again, ann(again))])).toEqual([4]);
  });

  it("L1 the fast lock of a process that died is given back in its name", async () => {
    const disk = new MemoryDisk();
    const [dead, next] = [await memoryStore({ disk }).open(world), await memoryStore({ disk }).open(world)];
    expect([await dead.fastLock?.tryAcquire(), await next.fastLock?.tryAcquire()]).toEqual([true, false]);
    await dead.fastLock?.release();
    expect(await next.fastLock?.tryAcquire()).toBe(true);
  });

  it("Q3 remembers its key, also of a ring that answers later; another one is refused", async () => {
    for (const [mine, other] of [
      [sync, nodeKeyRing({ current: "cd".repeat(32) })],
      [later, undefined],
      [undefined, sync],
    ] as const) {
      const disk = new MemoryDisk();
      const options = (keys: KeyRing | undefined): Parameters<typeof memoryStore>[0] => ({ disk, ...(keys === undefined ? {} : { keys }) });
      const [first, second] = await Promise.all([memoryStore(options(mine)).open(world), memoryStore(options(mine)).open(world)]);
      expect(second.store.storeId).toBe(first.store.storeId);
      expect([...second.tagKey]).toEqual([...first.tagKey]);
      expect(await codeOf(memoryStore(options(other)).open(world))).toBe("WRONG_KEY");
    }
  });
});
