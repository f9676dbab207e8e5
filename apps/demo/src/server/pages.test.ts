import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { changedFaults, NO_FAULTS } from "./faults.ts";
import { page } from "./pages.ts";
import { portOf } from "./port.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guardian-pages-"));
  mkdirSync(join(folder, "dist", "assets"), { recursive: true });
  writeFileSync(join(folder, "dist", "index.html"), "page");
  writeFileSync(join(folder, "dist", "assets", "a-1.js"), "script");
  writeFileSync(join(folder, "secret.html"), "secret");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("the built page is served, and nothing beside it", async () => {
  const at = async (path: string): Promise<readonly [number, string | undefined]> => {
    const { status, headers } = await page(join(folder, "dist"), path);
    return [status, headers["Cache-Control"]];
  };
  expect(await at("/")).toEqual([200, "no-cache"]);
  expect(await at("/assets/a-1.js")).toEqual([200, "public, max-age=31536000, immutable"]);
  for (const path of ["/../secret.html", "/%2e%2e/secret.html", "/.sources", "/assets", "/none.js", "/assets/../../secret.html"]) {
    expect(await at(path), path).toEqual([404, undefined]);
  }
  expect((await page(join(folder, "dist"), "/")).headers["Content-Security-Policy"]).toContain("default-src 'none'");
});

test("faults change one by one; a wish that is none changes nothing", () => {
  expect(changedFaults(NO_FAULTS, '{"failing":true}')).toEqual({ ...NO_FAULTS, failing: true });
  for (const body of ["", "[]", '{"failing":1}', '{"latencyMs":-1}', '{"latencyMs":1e9}', '{"what":true}']) {
    expect(changedFaults(NO_FAULTS, body), body).toBeUndefined();
  }
});

test("PORT is a port, or is refused", () => {
  expect([undefined, "", "0", "8090", "65536", "-1", "http"].map(portOf)).toEqual([8080, 8080, 0, 8090, undefined, undefined, undefined]);
});
