import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { OpenedStore } from "../ports/index.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { type StorePlace, storeContract } from "../testing/store-contract.ts";
import { STOPPED_CLOCK } from "../testing/store-contract-world.ts";
import { type SqliteEncryption, sqliteStore } from "./sqlite.ts";

const world = { clock: STOPPED_CLOCK, random: new SeededRandom(1) };

async function place(encryption: SqliteEncryption): Promise<StorePlace> {
  const folder = await mkdtemp(join(tmpdir(), "guardian-store-"));
  return {
    open: (): Promise<OpenedStore> => sqliteStore({ path: join(folder, "queue.db"), encryption }).open(world),
    destroy: () => rm(folder, { recursive: true }),
  };
}

storeContract({ name: "sqlite", place: () => place({ key: "ab".repeat(32) }) }, { describe, it, expect });
storeContract({ name: "unencrypted sqlite", place: () => place("none") }, { describe, it, expect });
