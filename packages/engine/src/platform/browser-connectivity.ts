import type { Connectivity } from "../ports/index.ts";
import { type BrowserScope, listen } from "./browser-scope.ts";

/** What the browser says of its network: that an interface is up, no more. Works in pages and workers. */
export function browserConnectivity(scope: BrowserScope): Connectivity {
  return {
    online: () => scope.navigator?.onLine !== false,
    subscribe(listener) {
      const offs = [listen(scope, "online", () => listener(true)), listen(scope, "offline", () => listener(false))];
      return () => {
        for (const off of offs) off();
      };
    },
  };
}
