import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { config } from "zod";
import { App } from "./app.tsx";
import { DemoDevice } from "./device.ts";
import { DemoServerModel } from "./server-model.ts";
import "./style.css";

// The page's content security policy allows no code made from text.
config({ jitless: true });

const app = document.getElementById("app");
if (app === null) throw new Error("index.html has no #app");
const devices = [new DemoDevice("phone"), new DemoDevice("tablet")];
createRoot(app).render(
  <StrictMode>
    <App devices={devices} server={new DemoServerModel()} />
  </StrictMode>,
);

// Without one the page works as well, but does not open without a network.
try {
  navigator.serviceWorker?.register("/sw.js").catch(() => {});
} catch {
  // Where storage is blocked, the name alone can throw.
}
