// Which browser the tests run in. Plain JavaScript, because setup.mjs needs it before anything is installed.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome.exe"];

/** The first directory of PATH that has such a program, with it. */
export function onPath(name) {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export function chromiumPath() {
  // An empty variable is what CI files leave of one that is not set.
  return process.env.CHROMIUM_PATH || NAMES.map(onPath).find((path) => path !== undefined);
}
