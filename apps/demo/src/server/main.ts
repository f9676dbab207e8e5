/** `npm start`: builds the page when its sources changed, and serves it together with the reference server. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { builtPages, isBuilt } from "./build.ts";
import { type DemoServer, openDemoServer } from "./demo-server.ts";
import { listenProblem, portOf } from "./port.ts";

const DATA = fileURLToPath(new URL("../../../../.guardian/demo", import.meta.url));

async function start(): Promise<DemoServer | undefined> {
  const port = portOf(process.env.PORT);
  if (port === undefined) {
    console.error(`PORT=${process.env.PORT} is no port. Give a number from 0 (any) to 65535.`);
    process.exitCode = 2;
    return undefined;
  }
  if (!isBuilt()) console.log("Building the page, which takes a few seconds, once …");
  const pages = await builtPages();
  try {
    return await openDemoServer({ data: process.env.GUARDIAN_DEMO_DATA || DATA, pages, port });
  } catch (error) {
    const problem = listenProblem(error, port);
    if (problem === undefined) throw error;
    console.error(problem);
    process.exitCode = 1;
    return undefined;
  }
}

const server = await start();
if (server !== undefined) {
  const stopped = new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve()).once("SIGTERM", () => resolve());
  });
  const where = process.env.GUARDIAN_DEMO_DATA ?? join(".guardian", "demo");
  console.log(`\n  Guardian Sync  ${server.url}\n`);
  console.log(`Ready: two devices in the page, one server here with its data in ${where}. Ctrl-C ends it.`);
  await stopped;
  // Whoever asks twice does not want to wait.
  process.once("SIGINT", () => process.exit(130)).once("SIGTERM", () => process.exit(143));
  await server.close();
  console.log("\nStopped. What waits in the page is kept by the browser, and is sent after the next start.");
}
