/// <reference lib="dom" />
import { afterEach, describe, expect, it, vi } from "vitest";
import { cdp } from "vitest/browser";
import { SeededRandom } from "../testing/seeded-random.ts";
import { STOPPED_CLOCK } from "../testing/store-contract-world.ts";
import { indexedDbStore } from "./indexeddb.ts";
import { newName } from "./indexeddb.test.support.ts";

const world = { clock: STOPPED_CLOCK, random: new SeededRandom(1) };
afterEach(() => vi.restoreAllMocks());

describe("that the browser deletes the queue when space runs short", () => {
  it("is asked about only by an app that wants it, and is told as it is", async () => {
    const asked = vi.spyOn(navigator.storage, "persist");
    const silent = await indexedDbStore({ name: newName() }).open(world);
    expect([await silent.isEvictable?.(), asked.mock.calls.length]).toEqual([true, 0]);
    const { targetInfo } = await cdp().send("Target.getTargetInfo");
    const { browserContextId } = targetInfo as { readonly browserContextId: string };
    await cdp().send("Browser.grantPermissions", { permissions: ["durableStorage"], origin: location.origin, browserContextId });
    const asking = await indexedDbStore({ name: newName(), persist: true }).open(world);
    await expect.poll(() => asking.isEvictable?.()).toBe(false);
    expect([await silent.isEvictable?.(), asked.mock.calls.length]).toEqual([false, 1]);
    for (const { store } of [silent, asking]) await store.close();
  });

  it("cannot be helped where the browser has no say in it, and opening does not wait for an answer", async () => {
    vi.spyOn(navigator.storage, "persist").mockReturnValue(new Promise(() => {}));
    vi.spyOn(navigator.storage, "persisted").mockRejectedValue(new DOMException("a sandboxed frame", "SecurityError"));
    const opened = await indexedDbStore({ name: newName(), persist: true }).open(world);
    expect(await opened.isEvictable?.()).toBe(true);
    await opened.store.close();
  });

  it("is a matter of yes or no", () => {
    expect(() => indexedDbStore({ name: "x", persist: "ask" as never })).toThrow('option persist: give true or false, got "ask"');
  });
});
