import { appendCases } from "./store-contract-append.ts";
import { commitCases } from "./store-contract-commit.ts";
import { lockCases } from "./store-contract-lock.ts";
import { modelCases } from "./store-contract-model.ts";
import { readCases } from "./store-contract-reads.ts";
import { sharingCases } from "./store-contract-sharing.ts";
import { ContractWorld, type StoreHarness, type TestApi } from "./store-contract-world.ts";

export type { StoreHarness, StorePlace, TestApi } from "./store-contract-world.ts";

/**
 * What every store must do, whatever it is made of. For authors of stores: call it in a test file with the test runner's own
 * functions.
 *
 *     storeContract({ name: "mine", place: async () => ({ open: () => myStore(…).open(world) }) }, { describe, it, expect });
 */
export function storeContract(harness: StoreHarness, { describe, it, expect }: TestApi): void {
  describe(`the ${harness.name} store`, () => {
    for (const { title, run } of [...appendCases, ...commitCases, ...readCases, ...lockCases, ...sharingCases, ...modelCases]) {
      it(title, async () => {
        const world = new ContractWorld(await harness.place());
        try {
          await run(world, expect);
        } finally {
          await world.destroy();
        }
      });
    }
  });
}
