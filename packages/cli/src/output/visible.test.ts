import { expect, test } from "vitest";
import { visible } from "./visible.ts";

test("C2 what an app wrote cannot move the cursor or end a line", () => {
  expect(visible("a\r\nb\nc\rd\te")).toBe("a\\nb\\nc\\rd\\te");
  expect(visible("\u001b[31mred\u0007\u009b")).toBe("\\u001b[31mred\\u0007\\u009b");
  expect(visible("x\u2028y\u2029z\u0000")).toBe("x\\u2028y\\u2029z\\u0000");
  expect(visible("Grüße, 世界 👋")).toBe("Grüße, 世界 👋");
});
