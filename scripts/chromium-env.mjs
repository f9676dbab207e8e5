// Names the browser for programs that reach it by the variable alone: node --import ./scripts/chromium-env.mjs …
import { chromiumPath } from "./chromium.mjs";

const found = chromiumPath();
if (found !== undefined) process.env.CHROMIUM_PATH = found;
