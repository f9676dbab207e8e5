import { describe, expect, test } from "vitest";
import { clockInWords, editInWords, failureInWords, queueInWords, stateInWords } from "./words.ts";

const calm = {
  state: "idle",
  reason: "empty",
  pending: 0,
  sealed: 0,
  level: 4,
  breaker: { state: "closed", cooldownRemainingMs: 0 },
} as const;

describe("the queue in words", () => {
  test.each([
    [calm, true, 0, "calm", "Nothing waits. Everything is at the server.", null],
    [calm, false, 0, "calm", "Offline, and nothing waits. Edits will be kept here.", null],
    [{ ...calm, level: null }, true, 0, "calm", "Nothing waits. The server has not been reached yet.", null],
    [calm, true, 2, "trouble", "Nothing waits to be sent. 2 edits need your decision, below.", null],
    [{ ...calm, pending: 1 }, false, 0, "waiting", "Offline. 1 edit is kept here until the network is back.", null],
    [
      { ...calm, pending: 2, sealed: 1 },
      false,
      0,
      "waiting",
      "Offline. 3 edits are kept here until the network is back. 1 was already under way, and will be asked about first.",
      null,
    ],
    [{ ...calm, reason: "", state: "sending", sealed: 4 }, true, 0, "busy", "Sending 4 edits.", null],
    [
      { ...calm, state: "waiting", reason: "backoff", sealed: 1, nextAttemptAt: 3500 },
      true,
      0,
      "waiting",
      "The last try got no good answer. Nothing is lost.",
      "Next try in 3 s.",
    ],
    [
      { ...calm, state: "waiting", reason: "breaker_open", sealed: 1, breaker: { state: "open", cooldownRemainingMs: 7000 } },
      true,
      0,
      "waiting",
      "The server keeps failing, so it is left alone for a while.",
      "One careful try in 7 s.",
    ],
    [{ ...calm, reason: "blocked", pending: 1 }, true, 1, "trouble", "Edits wait behind one that needs your decision, below.", null],
    [
      { ...calm, state: "waiting", reason: "storage_full", pending: 1 },
      true,
      0,
      "trouble",
      "There is no space left to note what is sent, so nothing is. Everything is kept; free some space.",
      "Next try now.",
    ],
    [{ ...calm, state: "waiting", reason: "rate_limit", pending: 1 }, true, 0, "waiting", "1 edit waits (rate limit).", "Next try now."],
    [{ ...calm, state: "waiting", reason: "code_loading", pending: 2 }, true, 0, "busy", "Getting ready to send 2 edits.", null],
    [
      { ...calm, state: "waiting", reason: "code_unavailable", pending: 1, nextAttemptAt: 4500 },
      true,
      0,
      "trouble",
      "A part of this page could not be loaded. Edits are kept; if it stays so, reload the page.",
      "Next try in 4 s.",
    ],
    [
      { ...calm, state: "paused", reason: "client_too_old", pending: 1 },
      true,
      0,
      "trouble",
      expect.stringMatching(/client too old.*kept/),
      null,
    ],
  ] as const)("%#", (status, isOnline, undecided, mood, text, next) => {
    expect(queueInWords(status, isOnline, undecided, 500)).toEqual({ mood, text, next });
  });
});

test("a clock is worth a word when it is minutes off", () => {
  expect([null, 0, 119_000, -119_000].map(clockInWords)).toEqual([null, null, null, null]);
  expect(clockInWords(-86_400_000)).toMatch(/clock is 1 day ahead of the server’s\. Edits arrive all the same/);
  expect(clockInWords(3 * 86_400_000)).toContain("3 days behind");
  expect(clockInWords(7_300_000)).toContain("2 hours behind");
  expect(clockInWords(150_000)).toContain("3 minutes behind");
});

test("states and edits", () => {
  expect([{ on: true }, { target: 21 }, { position: 40 }, { position: 0 }, {}, null].map(stateInWords)).toEqual([
    "on",
    "21.0 °C",
    "40 % closed",
    "open",
    "",
    "",
  ]);
  expect(editInWords({ type: "UPDATE", payload: { name: "Stove" } }, "Radiator")).toBe("Rename Radiator to Stove");
  expect(editInWords({ type: "UPDATE_DEVICE_STATE", payload: { input: { state: { on: false } } } }, undefined)).toBe("Set a device to off");
});

test("why an edit failed: in the server's own words where it had any", () => {
  expect(failureInWords({ state: "failed", code: "VALIDATION_ERROR", lastError: "VALIDATION_ERROR 422 too hot" })).toContain(
    "said no: “too hot” (VALIDATION_ERROR). It has not taken effect",
  );
  expect(failureInWords({ state: "parked", code: "OUTCOME_UNKNOWN", lastError: null })).toContain("never said");
});
