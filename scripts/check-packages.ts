// Would the packages, as they would be published, work for those who install them? Needs dist/, so it runs after the compiler.
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { dirname } from "node:path";

const publishable = globSync("packages/*/package.json")
  .filter((path) => (JSON.parse(readFileSync(path, "utf8")) as { private?: boolean }).private !== true)
  .map((path) => dirname(path));

let failed = 0;
for (const dir of publishable.toSorted()) {
  const { status } = spawnSync("publint", ["run", dir, "--level", "warning"], { stdio: "inherit", shell: process.platform === "win32" });
  if (status !== 0) failed += 1;
}
console.log(`packages: ${publishable.length} publishable, ${failed} with offences`);
if (failed > 0) process.exitCode = 1;
