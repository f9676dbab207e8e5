import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "./node-clock.ts";
import { nodeHash } from "./node-hash.ts";
import { systemRandom } from "./node-random.ts";

describe("clock", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("R1 a task runs once, when it is due, and not after it was cancelled", () => {
    const clock = systemClock();
    const ran: string[] = [];
    clock.schedule(100, () => ran.push("a"));
    clock.schedule(100, () => ran.push("b"))();
    vi.advanceTimersByTime(99);
    expect(ran).toEqual([]);
    vi.advanceTimersByTime(10_000);
    expect(ran).toEqual(["a"]);
  });
  test("R2 a delay beyond 2^31 ms is waited for in pieces, and can be cancelled in any of them", () => {
    const clock = systemClock();
    const ran: string[] = [];
    const days = 60 * 86_400_000;
    clock.schedule(days, () => ran.push("a"));
    const cancel = clock.schedule(days, () => ran.push("b"));
    vi.advanceTimersByTime(2 ** 31 + 5);
    expect(ran).toEqual([]);
    cancel();
    vi.advanceTimersByTime(days);
    expect(ran).toEqual(["a"]);
    expect(vi.getTimerCount()).toBe(0);
  });
  test.each([-5, 0, Number.NaN])("R1 a delay of %d is none", (delayMs) => {
    let ran = 0;
    systemClock().schedule(delayMs, () => {
      ran += 1;
    });
    vi.advanceTimersByTime(1);
    expect(ran).toBe(1);
  });
  test("R1 wall clock and monotonic clock", () => {
    const clock = systemClock();
    const before = clock.monotonic();
    vi.setSystemTime(5000);
    expect(clock.now()).toBe(5000);
    vi.advanceTimersByTime(250);
    expect(clock.monotonic() - before).toBeGreaterThanOrEqual(250);
  });
});

test("Q1 defer runs after everything that is ready now", async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    systemClock().defer(() => {
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

test.each([
  [false, ""],
  [true, "ran"],
])("R1 with keepAlive %s a process waits for its task or does not", (keepAlive, printed) => {
  const module = JSON.stringify(new URL("./node-clock.ts", import.meta.url).href);
  const script = `const { systemClock } = await import(${module}); systemClock().schedule(30, () => console.log("ran"), { keepAlive: ${keepAlive} });`;
  const { stdout, status, stderr } = spawnSync(process.execPath, ["--conditions=source", "--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  expect([stdout.trim(), status, stderr]).toEqual([printed, 0, ""]);
});

describe("random", () => {
  test("X1 bytes are the caller's own, of any length, and never the same twice", () => {
    const random = systemRandom();
    const seen = new Set<string>();
    for (let i = 0; i < 2000; i++) {
      const bytes = random.bytes(16);
      expect(bytes).toHaveLength(16);
      expect(bytes.buffer.byteLength).toBe(16);
      seen.add(Buffer.from(bytes).toString("hex"));
      bytes.fill(0);
    }
    expect(seen.size).toBe(2000);
    for (const length of [0, 1, 7, 1024, 1025, 4096, 100_000]) expect(random.bytes(length)).toHaveLength(length);
    expect(random.bytes(100_000).some((byte) => byte !== 0)).toBe(true);
  });
  test("R1 fractions are uniform in [0, 1)", () => {
    const random = systemRandom();
    const buckets = Array.from({ length: 10 }, () => 0);
    for (let i = 0; i < 20_000; i++) {
      const value = random.fraction();
      expect(value >= 0 && value < 1).toBe(true);
      buckets[Math.floor(value * 10)]! += 1;
    }
    // 2000 expected, σ = 42: eight of them.
    for (const count of buckets) expect(Math.abs(count - 2000)).toBeLessThan(340);
  });
});

test("X8 SHA-256 of UTF-8 text", () => {
  expect(nodeHash.sha256Hex("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(nodeHash.sha256Hex("ü")).toBe("607474ca475a9724d7360aba71a56d5df77e61350e3f724cfa1f46e857e2d85f");
});
