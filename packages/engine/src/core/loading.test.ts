import type { EpochMs } from "@guardian-sync/protocol";
import { describe, expect, test } from "vitest";
import { LOADING_BEGINS, type LoadingEvent, type LoadingState, stepLoading } from "./loading.ts";

const NOW = 1_000_000 as EpochMs;
const STATES: { readonly [K in LoadingState["kind"]]: Extract<LoadingState, { readonly kind: K }> } = {
  loading: { kind: "loading", failures: 0, isWanted: false },
  failed: { kind: "failed", failures: 3, isWanted: false, retryAt: (NOW + 500) as EpochMs },
  loaded: { kind: "loaded" },
  closed: { kind: "closed" },
};
const eventOf = (type: LoadingEvent["type"]): LoadingEvent => (type === "refused" ? { type, now: NOW, jitter: 0.5 } : { type });

/** `state: effects`, by hand; `+` before a state: from now on it is wanted. */
const TABLE: Readonly<Record<LoadingState["kind"], Readonly<Record<LoadingEvent["type"], string>>>> = {
  loading: {
    start: "+loading:",
    stop: "loading:",
    wake: "loading:",
    suspend: "loading:",
    close: "closed:",
    online: "loading:",
    needed: "loading:",
    due: "loading:",
    arrived: "loaded: begin",
    refused: "failed: alert retry_later",
  },
  failed: {
    start: "+loading: load",
    stop: "failed:",
    wake: "failed:",
    suspend: "failed:",
    close: "closed:",
    online: "loading: load",
    needed: "loading: load",
    due: "loading: load",
    arrived: "loaded: begin",
    refused: "failed:",
  },
  loaded: {
    start: "loaded:",
    stop: "loaded:",
    wake: "loaded:",
    suspend: "loaded:",
    close: "closed:",
    online: "loaded:",
    needed: "loaded:",
    due: "loaded:",
    arrived: "loaded:",
    refused: "loaded:",
  },
  closed: {
    start: "closed:",
    stop: "closed:",
    wake: "closed:",
    suspend: "closed:",
    close: "closed:",
    online: "closed:",
    needed: "closed:",
    due: "closed:",
    arrived: "closed:",
    refused: "closed:",
  },
};
const cells = Object.entries(TABLE).flatMap(([kind, row]) =>
  Object.entries(row).map(([type, cell]) => [kind as LoadingState["kind"], type as LoadingEvent["type"], cell] as const),
);

test.each(cells)("code that is %s meets %s: %s", (kind, type, cell) => {
  const { state, effects } = stepLoading(STATES[kind], eventOf(type));
  const wanted = "isWanted" in state && state.isWanted ? "+" : "";
  expect(`${wanted}${state.kind}: ${effects.map((effect) => effect.type).join(" ")}`.trim()).toBe(cell);
});

describe("what is wanted", () => {
  test.each([
    [["start"], true],
    [["start", "stop"], false],
    [["start", "suspend"], false],
    [["suspend", "start"], true],
    [["start", "refused", "wake", "online"], true],
    [["start", "refused", "stop", "due"], false],
    [["start", "refused", "stop", "start"], true],
  ] as const)("after %j it begins running: %s", (types, isWanted) => {
    const state = types.reduce((before: LoadingState, type) => stepLoading(before, eventOf(type)).state, LOADING_BEGINS);
    expect(stepLoading(state, { type: "arrived" }).effects).toEqual([{ type: "begin", isWanted }]);
  });
});

test("R1 every failure waits longer, to a minute; only the first one alerts", () => {
  let state: LoadingState = LOADING_BEGINS;
  const delays: number[] = [];
  const alerts: boolean[] = [];
  for (let failure = 0; failure < 9; failure++) {
    const failed = stepLoading(state, { type: "refused", now: NOW, jitter: 0.5 });
    const retry = failed.effects.find((effect) => effect.type === "retry_later");
    delays.push(retry?.delayMs ?? -1);
    alerts.push(failed.effects.some((effect) => effect.type === "alert"));
    expect(failed.state).toMatchObject({ retryAt: NOW + (retry?.delayMs ?? -1) });
    state = stepLoading(failed.state, { type: "due" }).state;
  }
  expect(delays).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  expect(alerts).toEqual([true, false, false, false, false, false, false, false, false]);
});
