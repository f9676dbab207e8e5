import { expect, test } from "vitest";
import { BREAKER_DEFAULTS } from "../core/breaker-options.ts";
import type { Settlement } from "../core/settlement.ts";
import type { AccountTag } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { OriginState } from "../queue/origin-state.ts";
import { Timeline, VirtualClock } from "../testing/virtual-clock.ts";
import type { EngineContext } from "./context.ts";
import { Gate } from "./gate.ts";

const ACCOUNT = "account" as AccountTag;
const IDLE = { global: { dueAt: 0 } } as unknown as AccountView;
const HOUR_MS = 3_600_000;

function asked(delayMs: number): Settlement {
  return { moves: [], failed: true, batch: "keep", breaker: "none", wait: { delayMs, reason: "RATE_LIMITED", wholeOrigin: true } };
}

/** The gates of processes that come one after the other on one file. */
class File {
  readonly clock = new VirtualClock({ timeline: new Timeline() });
  isFull = false;
  #stored: OriginState | undefined;

  open(): Gate {
    const queue = {
      origin: async () => this.#stored,
      change: async (_account: AccountTag, _lease: undefined, decide: (view: unknown, change: unknown) => void) => {
        if (this.isFull) throw new Error("the disk is full");
        const putOrigin = (state: OriginState): void => {
          this.#stored = state;
        };
        decide({}, { putOrigin });
      },
    };
    const settings = { backend: { baseUrl: "https://origin.test" }, breaker: BREAKER_DEFAULTS, backoff: { maxDelayMs: 30_000 } };
    return new Gate({ queue, settings, platform: { clock: this.clock }, events: { emit: () => {} } } as unknown as EngineContext);
  }
}

test("R2 a hold is waited for by the monotonic clock: setting the wall clock neither shortens nor lengthens it", async () => {
  const file = new File();
  const gate = file.open();
  await gate.settled(ACCOUNT, asked(60_000));
  file.clock.jump(3 * HOUR_MS);
  expect(await gate.check(IDLE)).toMatchObject({ reason: "retry_after", delayMs: 60_000 });
  file.clock.jump(-6 * HOUR_MS);
  expect(await gate.check(IDLE)).toMatchObject({ delayMs: 60_000 });
  await file.clock.advance(60_000);
  expect(await gate.check(IDLE)).toBeUndefined();
});

test("R2 the next process holds, too, and a clock set back in between adds no more than was asked for", async () => {
  const file = new File();
  await file.open().settled(ACCOUNT, asked(60_000));
  await file.clock.advance(20_000);
  expect(await file.open().check(IDLE)).toMatchObject({ reason: "retry_after", delayMs: 40_000 });
  file.clock.jump(-3 * HOUR_MS);
  expect(await file.open().check(IDLE)).toMatchObject({ delayMs: 60_000 });
});

test("R2 a hold that could not be saved holds in its process", async () => {
  const file = new File();
  const gate = file.open();
  await gate.settled(ACCOUNT, asked(1000));
  file.isFull = true;
  await expect(gate.settled(ACCOUNT, asked(60_000))).rejects.toThrow("the disk is full");
  expect(await gate.check(IDLE)).toMatchObject({ reason: "retry_after", delayMs: 60_000 });
  file.isFull = false;
  expect(await gate.check(IDLE)).toMatchObject({ delayMs: 60_000 });
});

test("R2 what is heeded holds at once, and the next process holds when it was settled", async () => {
  const file = new File();
  const gate = file.open();
  gate.heed(asked(60_000));
  expect(gate.held()).toMatchObject({ reason: "retry_after", delayMs: 60_000 });
  expect(await file.open().check(IDLE)).toBeUndefined();
  await gate.settled(ACCOUNT, asked(60_000));
  expect(await file.open().check(IDLE)).toMatchObject({ reason: "retry_after", delayMs: 60_000 });
});

test("R2 a hold that a full disk did not take is written down with the next answer", async () => {
  const file = new File();
  const gate = file.open();
  file.isFull = true;
  await expect(gate.settled(ACCOUNT, asked(60_000))).rejects.toThrow("full");
  file.isFull = false;
  await gate.settled(ACCOUNT, { moves: [], failed: false, batch: "keep", breaker: "none" });
  expect(await file.open().check(IDLE)).toMatchObject({ reason: "retry_after", delayMs: 60_000 });
});
