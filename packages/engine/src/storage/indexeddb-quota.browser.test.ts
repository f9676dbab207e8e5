/// <reference lib="dom" />
import { afterEach, expect, it } from "vitest";
import { cdp } from "vitest/browser";
import type { Seq } from "../ports/index.ts";
import { ann } from "../testing/store-contract-world.ts";
import { newName, open, worldOf } from "./indexeddb.test.support.ts";

async function setQuota(quotaSize?: number): Promise<void> {
  await cdp().send("Storage.overrideQuotaForOrigin", { origin: location.origin, ...(quotaSize === undefined ? {} : { quotaSize }) });
}
afterEach(() => setQuota());

/** Chromium remembers for 15 s how much space it last found, unless the site's databases go. */
async function forgetSpace(): Promise<void> {
  await cdp().send("Storage.clearDataForOrigin", { origin: location.origin, storageTypes: "indexeddb" });
}

it("Q4 a write that the browser has no space for is STORAGE_FULL: nothing of it is there, and with space again the next one works", async () => {
  await forgetSpace();
  await setQuota(2_000_000);
  const { store, ...opened } = await open(newName());
  const account = ann({ store, ...opened });
  const segment = await worldOf({ store, ...opened }).segment({ store, ...opened }, account, 1);
  const big = Array.from({ length: 10 }, () => ({ ...segment, body: crypto.getRandomValues(new Uint8Array(60_000)) }));
  let appended = 0;
  const fill = async (): Promise<unknown> => {
    const seqs: readonly Seq[] = await store.append(big);
    appended += seqs.length;
    return undefined;
  };
  let refused: unknown;
  while (refused === undefined) refused = await fill().catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "STORAGE_FULL", retryable: true, userMessage: expect.stringContaining("no space left") as string });
  expect((await store.readAccount(account))?.counts.enqueued ?? 0).toBe(appended);

  await setQuota();
  await expect.poll(() => store.append([segment]).catch(() => undefined), { timeout: 30_000, interval: 500 }).toEqual([appended + 1]);
  await store.close();
}, 60_000);
