import type { DemoDevice } from "./device.ts";
import { DeviceCard } from "./device-card.tsx";
import { Keeping } from "./keeping.tsx";
import { ServerCard } from "./server-card.tsx";
import type { DemoServerModel } from "./server-model.ts";

export function App({ devices, server }: { readonly devices: readonly DemoDevice[]; readonly server: DemoServerModel }) {
  return (
    <>
      <header className="top">
        <div className="brand">
          <img src="/icon.svg" alt="" width="36" height="36" />
          <h1>Guardian Sync</h1>
        </div>
        <p>
          Two devices share a home. Take one offline, change things, close the tab, make the server fail: every edit arrives in the end,
          once, and in order.
        </p>
      </header>
      <main>
        {devices.map((device) => (
          <DeviceCard key={device.name} device={device} />
        ))}
        <ServerCard model={server} />
      </main>
      <footer>
        Each device is an engine of its own, with its own queue in this browser’s IndexedDB (<code>demo-phone</code>,{" "}
        <code>demo-tablet</code>
        ). The page opens without a network, too.
        <Keeping />
      </footer>
    </>
  );
}
