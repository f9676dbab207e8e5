import { expect, test } from "vitest";
import { portOf } from "./story.ts";

test("C2 the story's port comes from PORT; nonsense is wrong usage", () => {
  expect([portOf(undefined), portOf(""), portOf("0"), portOf("8090")]).toEqual([8080, 8080, 0, 8090]);
  for (const text of ["x", "-1", "70000", "80.5"]) expect(() => portOf(text)).toThrow(expect.objectContaining({ exitCode: 2 }));
});
