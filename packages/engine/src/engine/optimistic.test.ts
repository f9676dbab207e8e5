import { beforeEach, describe, expect, test } from "vitest";
import { OptimisticTokens } from "./optimistic.ts";

let reported: unknown[];
let tokens: OptimisticTokens;
let state: number;
beforeEach(() => {
  reported = [];
  tokens = new OptimisticTokens((error) => reported.push(error));
  state = 0;
});

/** Sets the state, and remembers what it was. */
function change(txnToken: string, to: number, told: string[] = []): void {
  tokens.register({
    txnToken,
    originalState: state,
    rollback: (original) => {
      state = original;
    },
    onSuccess: () => told.push(`${txnToken} done`),
    onError: (reason) => told.push(`${txnToken} ${reason}`),
  });
  state = to;
}

describe("optimistic tokens", () => {
  test("O1 a commit keeps the change and tells once", () => {
    const told: string[] = [];
    change("a", 1, told);
    expect([tokens.commit("a"), tokens.commit("a"), tokens.rollback("a")]).toEqual([true, false, false]);
    expect([state, told, tokens.size]).toEqual([1, ["a done"], 0]);
  });
  test("O1 a rollback puts the original state back, once", () => {
    const told: string[] = [];
    change("a", 1, told);
    expect([tokens.rollback("a", "refused"), tokens.rollback("a"), tokens.commit("a")]).toEqual([true, false, false]);
    expect([state, told]).toEqual([0, ["a refused"]]);
  });
  test("O1 all of them, the last one first", () => {
    for (const [index, token] of ["a", "b", "c"].entries()) change(token, index + 1);
    expect(tokens.rollbackAll("signed out")).toBe(3);
    expect([state, tokens.size]).toEqual([0, 0]);
  });
  test("O1 what a handler throws is reported, and harms nothing", () => {
    tokens.register({
      txnToken: "a",
      originalState: 0,
      rollback: () => {
        throw new Error("a fault of the app");
      },
      onError: () => {
        throw new Error("another one");
      },
    });
    change("b", 2);
    expect(tokens.rollbackAll()).toBe(2);
    expect(reported).toHaveLength(2);
    expect(state).toBe(0);
  });
  test("a token is one string, open once, and not too many are", () => {
    change("a", 1);
    expect(() => change("a", 2)).toThrow(/registered already/);
    expect(() => tokens.register({ txnToken: "", originalState: 0, rollback: () => {} })).toThrow(/needs a txnToken/);
    for (let n = 1; n < 10_000; n++) tokens.register({ txnToken: `t${n}`, originalState: 0, rollback: () => {} });
    expect(() => change("one more", 1)).toThrow(/10000 changes are open/);
  });
});
