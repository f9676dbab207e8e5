import { SyncError, type SyncErrorCode } from "guardian-sync";
import { expect, test } from "vitest";
import { editProblem, queueProblem } from "./problems.ts";

const refused = (code: SyncErrorCode, userMessage?: string): SyncError =>
  new SyncError(code, "for developers", userMessage === undefined ? {} : { userMessage });

test.each([
  ["STORAGE_UNAVAILABLE", false, "There is no place for a queue"],
  ["STORAGE_UNAVAILABLE", true, "The queue was closed"],
  ["STORAGE_FULL", false, "There is no space for a queue"],
  ["STORAGE_CORRUPT", false, "This queue cannot be read"],
  ["STORE_NEWER", false, "A newer version was here"],
  ["ENGINE_FAULT", false, "This device could not open its queue"],
] as const)("a queue with %s (it worked: %s) has a heading of its own, and the engine's words for people", (code, hasWorked, title) => {
  expect(queueProblem(refused(code, "For people."), hasWorked)).toEqual({ title, text: "For people.", hint: null, code });
});

test("without words for people there are those for developers; what is no error of the engine is said as it is", () => {
  expect(queueProblem(refused("WRONG_KEY"), false)).toMatchObject({ text: "for developers", hint: expect.stringContaining("begin anew") });
  expect(queueProblem(new TypeError("option store"), false)).toMatchObject({
    title: "This device did not start",
    text: "option store",
    code: null,
  });
  expect(editProblem("odd")).toEqual({ title: "That was not done", text: "odd", hint: null, code: null });
  expect(editProblem(refused("STORAGE_FULL"))).toMatchObject({ hint: expect.stringContaining("are safe"), code: "STORAGE_FULL" });
});
