// Runs before `npm start` and `npm test` on whatever Node the machine has (20 or newer), so: plain JavaScript and no
// dependencies. Installs what is missing, once; the pinned Node arrives with the dependencies.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stampFile = join(root, "node_modules", ".setup-stamp");
const lockfileHash = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");
// A checkout copied to another kind of machine needs that machine's binaries.
const stamp = `${lockfileHash} ${process.platform}-${process.arch}`;

if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== stamp) {
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  console.log(`> npm ${args.join(" ")}`);
  const install = spawnSync("npm", args, { cwd: root, stdio: "inherit", shell: process.platform === "win32" });
  if (install.status !== 0) {
    console.error("\nset-up failed: `npm ci` did not finish. Is the package registry reachable?");
    process.exit(install.status ?? 1);
  }
  writeFileSync(stampFile, stamp);
}
