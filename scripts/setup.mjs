// Runs before `npm start` and `npm test` on whatever Node the machine has (20 or newer), so: plain JavaScript and no
// dependencies. Installs what is missing, once; the pinned Node arrives with the dependencies. With --test it also sees to the
// browser that the tests run in.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromiumPath, onPath } from "./chromium.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stampFile = join(root, "node_modules", ".setup-stamp");
const lockfileHash = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");
// A checkout copied to another kind of machine needs that machine's binaries.
const stamp = `${lockfileHash} ${process.platform}-${process.arch}`;

/** @param {Record<string, string>} [env] */
function run(command, args, hint, env = {}) {
  console.log(`> ${command} ${args.join(" ")}`);
  const options = { cwd: root, stdio: "inherit", env: { ...process.env, ...env }, shell: process.platform === "win32" };
  const { status } = spawnSync(command, args, options);
  if (status === 0) return;
  console.error(`\nset-up failed: ${hint}`);
  process.exit(status ?? 1);
}

if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== stamp) {
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  run("npm", args, "`npm ci` did not finish. Is the package registry reachable?");
  writeFileSync(stampFile, stamp);
}

if (process.argv.includes("--test") && chromiumPath() === undefined) {
  const isRootOfDebian = process.getuid?.() === 0 && onPath("apt-get") !== undefined;
  if (isRootOfDebian) {
    const hint = "Chromium could not be installed. Set CHROMIUM_PATH to one that is there.";
    run("apt-get", ["update", "-q"], hint);
    run("apt-get", ["install", "-qy", "--no-install-recommends", "chromium"], hint, { DEBIAN_FRONTEND: "noninteractive" });
  } else {
    console.error("The tests run in Chromium, and there is none on this machine's PATH.");
    console.error("  Debian, Ubuntu: sudo apt-get install chromium");
    console.error("  elsewhere: install Chrome or Chromium, and set CHROMIUM_PATH to its program");
    process.exit(1);
  }
}
