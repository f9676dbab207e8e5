import { createHash } from "node:crypto";
import { isUuidV4 } from "@guardian-sync/protocol";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { PageLifeEvent } from "../ports/index.ts";
import { browserClock } from "./browser-clock.ts";
import { browserConnectivity } from "./browser-connectivity.ts";
import { browserHash } from "./browser-hash.ts";
import { browserPageLife } from "./browser-page-life.ts";
import { browserPlatform } from "./browser-platform.ts";
import { browserRandom } from "./browser-random.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("clock", () => {
  test("R2 a delay beyond 2^31 ms is waited for in pieces, and can be cancelled in any of them", () => {
    vi.useFakeTimers();
    const clock = browserClock();
    const ran: string[] = [];
    const days = 60 * 86_400_000;
    clock.schedule(days, () => ran.push("a"));
    const cancel = clock.schedule(days, () => ran.push("b"), { keepAlive: true });
    vi.advanceTimersByTime(2 ** 31 + 5);
    expect(ran).toEqual([]);
    cancel();
    vi.advanceTimersByTime(days);
    expect([ran, vi.getTimerCount()]).toEqual([["a"], 0]);
  });
  test("R2 what is due now runs in a turn of its own, in order, unless it is cancelled", async () => {
    const clock = browserClock();
    const ran: string[] = [];
    clock.schedule(0, () => ran.push("a"));
    const cancel = clock.schedule(0, () => ran.push("b"));
    const done = new Promise<void>((resolve) => clock.schedule(-1, resolve));
    cancel();
    await Promise.resolve();
    expect(ran).toEqual([]);
    await done;
    expect(ran).toEqual(["a"]);
  });
  test("Q1 defer runs after everything that is ready now", async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      browserClock().defer(() => {
        order.push("deferred");
        resolve();
      });
      queueMicrotask(() => queueMicrotask(() => order.push("micro")));
      void Promise.resolve()
        .then(() => Promise.resolve())
        .then(() => order.push("promise"));
    });
    expect(order).toEqual(["micro", "promise", "deferred"]);
  });
  test("Q7 a long streak of deferred tasks lets timers through", async () => {
    const clock = browserClock();
    let hasRung = false;
    setTimeout(() => {
      hasRung = true;
    }, 1);
    const start = performance.now();
    while (!hasRung && performance.now() - start < 2000) await new Promise<void>((resolve) => clock.defer(resolve));
    expect(hasRung).toBe(true);
  });
});

describe("random", () => {
  test("X1 bytes are the caller's own, of any length, also beyond what one call gives", () => {
    const random = browserRandom();
    for (const length of [0, 1, 16, 1025, 65_536, 65_537, 200_000]) expect(random.bytes(length)).toHaveLength(length);
    const long = random.bytes(200_000);
    for (const at of [0, 65_536, 131_072, 196_608]) expect(long.subarray(at, at + 64).some((byte) => byte !== 0)).toBe(true);
    expect(random.bytes(16)).not.toEqual(random.bytes(16));
  });
  test("X1 a thousand UUIDs, among other random numbers, are UUIDs, and all different", () => {
    const random = browserRandom();
    const made = new Set<string>();
    for (let i = 0; i < 1000; i++) {
      made.add(random.uuid?.() ?? "");
      random.bytes(i % 7);
    }
    expect([made.size, [...made].every(isUuidV4)]).toEqual([1000, true]);
  });
});

test("X8 SHA-256 of UTF-8 text", async () => {
  for (const text of ["", "abc", "ü€😀", "x".repeat(10_000)])
    expect(await browserHash.sha256Hex(text)).toBe(createHash("sha256").update(text).digest("hex"));
});

/** As much of a window as the engine listens to. */
class Window extends EventTarget {
  readonly navigator = { onLine: true };
  readonly document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  happen(where: EventTarget, type: string, more: object = {}): void {
    where.dispatchEvent(Object.assign(new Event(type), more));
  }
}

test("R3 the network comes and goes", () => {
  const window = new Window();
  const connectivity = browserConnectivity(window);
  const heard: boolean[] = [];
  const off = connectivity.subscribe((online) => heard.push(online));
  expect(connectivity.online()).toBe(true);
  window.navigator.onLine = false;
  window.happen(window, "offline");
  expect(connectivity.online()).toBe(false);
  window.happen(window, "online");
  off();
  window.happen(window, "online");
  expect(heard).toEqual([false, true]);
  expect(browserConnectivity({}).online()).toBe(true);
});

test("L1 the life of a page is told, until nobody wants to know", () => {
  const window = new Window();
  const heard: PageLifeEvent[] = [];
  const off = browserPageLife(window)?.subscribe((event) => heard.push(event));
  window.happen(window, "pageshow", { persisted: false });
  window.document.visibilityState = "hidden";
  window.happen(window.document, "visibilitychange");
  window.happen(window, "pagehide", { persisted: true });
  window.happen(window.document, "freeze");
  window.happen(window.document, "resume");
  window.happen(window, "pageshow", { persisted: true });
  window.document.visibilityState = "visible";
  window.happen(window.document, "visibilitychange");
  off?.();
  window.happen(window.document, "freeze");
  expect(heard).toEqual(["hidden", "leaving", "frozen", "resumed", "resumed", "visible"]);
  expect(browserPageLife({})).toBeUndefined();
});

describe("platform", () => {
  test("L1 each tab has a name of its own, and a worker says that it is one", () => {
    expect(browserPlatform().owner).toMatch(/^worker:[0-9a-f]{8}$/);
    expect(browserPlatform().pageLife).toBeUndefined();
    vi.stubGlobal("self", new Window());
    const [one, two] = [browserPlatform(), browserPlatform()];
    expect(one.owner).toMatch(/^tab:[0-9a-f]{8}$/);
    expect(one.owner).not.toBe(two.owner);
    expect(one.pageLife).toBeDefined();
  });
  test("Q3 a page without WebCrypto is told what to do", () => {
    vi.stubGlobal("crypto", { getRandomValues: () => {} });
    expect(browserPlatform).toThrow(expect.objectContaining({ code: "STORAGE_UNAVAILABLE", message: expect.stringContaining("https") }));
  });
});
