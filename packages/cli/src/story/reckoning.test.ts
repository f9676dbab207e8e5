import type { EngineStatus } from "guardian-sync";
import { describe, expect, test } from "vitest";
import type { Effect } from "./ledger.ts";
import { type DeviceAccount, reckon } from "./reckoning.ts";

const status = (more: Partial<EngineStatus>): EngineStatus =>
  ({
    enqueued: 2,
    succeeded: 2,
    failed: 0,
    archived: 0,
    conflict: 0,
    cancelled: 0,
    quarantined: 0,
    pending: 0,
    sealed: 0,
    conserved: true,
    ...more,
  }) as EngineStatus;
const device = (more: Partial<DeviceAccount> = {}): DeviceAccount => ({
  name: "A",
  status: status({}),
  storedIds: ["o1", "o2"],
  replays: 1,
  ...more,
});
let seq = 0;
const effect = (operationId: string, of = "A"): Effect => ({
  seq: ++seq,
  kind: "put",
  entity: "room/r",
  version: 1,
  device: of,
  operationId,
});

describe("Q1 B1 the story's account", () => {
  test("is right when every stored operation has exactly one effect", () => {
    const reckoning = reckon([device()], [effect("o1"), effect("o2")]);
    expect(reckoning).toMatchObject({ isRight: true, problems: [], operations: 2, effects: 2 });
    expect(reckoning.lines.join("\n")).toMatch(/sent twice, recognised by their keys\s+1$/);
    for (const line of reckoning.lines) expect(line.length).toBeLessThanOrEqual(75);
  });

  test.each([
    ["one never took effect", device(), [effect("o1")], "1 operations never took effect"],
    ["one took effect twice", device(), [effect("o1"), effect("o2"), effect("o2")], "1 operations took effect more than once"],
    ["something else took effect", device(), [effect("o1"), effect("o2"), effect("o9")], "2 operations, 3 effects"],
    ["an account does not balance", device({ status: status({ conserved: false }) }), [effect("o1"), effect("o2")], "does not balance"],
    [
      "a stored one was forgotten",
      device({ status: status({ enqueued: 1, succeeded: 1 }) }),
      [effect("o1"), effect("o2")],
      "stored 2 operations, counts 1",
    ],
    [
      "one still waits",
      device({ status: status({ succeeded: 1, pending: 1 }) }),
      [effect("o1"), effect("o2")],
      "1 operations did not succeed",
    ],
  ])("is wrong when %s", (_, account, effects, problem) => {
    const { isRight, problems } = reckon([account], effects);
    expect(isRight).toBe(false);
    expect(problems.join()).toContain(problem);
  });
});
