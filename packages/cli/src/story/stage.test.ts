import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { written } from "../guardian.test.support.ts";
import { terminalOf } from "../output/terminal.ts";
import { Stage } from "./stage.ts";

function stageOn(isTTY: boolean): { readonly stage: Stage; readonly text: () => string } {
  const out = Object.assign(new PassThrough(), { isTTY, columns: 80 });
  const stage = new Stage(terminalOf({ out, err: new PassThrough(), in: new PassThrough(), env: { LANG: "C", NO_COLOR: "1" } }));
  return { stage, text: () => written(out) };
}

test("in a pipe a gauge is the one line that is left in the end", () => {
  const { stage, text } = stageOn(false);
  stage.step("First");
  const gauge = stage.gauge("A  queue", 4);
  for (const value of [1, 2, 3]) gauge.set(value);
  gauge.end(4, "4 stored");
  gauge.end(0, "late");
  gauge.set(1);
  stage.step("Second");
  expect(text()).toBe("\n  1  First\n     A  queue        ########################   4 waiting, 4 stored\n\n  2  Second\n");
});

test("on a terminal it is drawn over itself", () => {
  const { stage, text } = stageOn(true);
  const gauge = stage.gauge("A  queue", 2);
  gauge.set(1);
  gauge.end(2, "");
  const lines = text().split("\r\u001b[2K");
  expect(lines.slice(1).map((line) => line.trim().replaceAll(/ +/g, " "))).toEqual([
    "A queue ############............ 1 waiting",
    "A queue ######################## 2 waiting",
  ]);
});

test("a stage that is closed shows nothing more", () => {
  const { stage, text } = stageOn(true);
  const gauge = stage.gauge("A", 2);
  stage.close();
  stage.say("x");
  gauge.set(1);
  gauge.end(1, "");
  expect(text()).toBe("");
});
