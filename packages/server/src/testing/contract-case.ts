import type { Storage } from "../core/storage.ts";
import type { SyncServerOptions } from "../http/options.ts";
import { ContractWorld } from "./contract-world.ts";
import type { ContractCase, OpenStorage } from "./storage-contract.ts";

/** One case of the server's contract: a fresh server on a fresh storage, closed afterwards. */
export function serverCase(
  title: string,
  body: (world: ContractWorld) => Promise<void>,
  options: Partial<SyncServerOptions> = {},
): ContractCase<OpenStorage> {
  return {
    title,
    run: async (open) => {
      const storage: Storage = await open();
      try {
        const world = new ContractWorld(storage, options);
        await body(world);
        await world.server.close();
      } finally {
        await storage.close();
      }
    },
  };
}
