import type { PageLife } from "../ports/index.ts";
import { type BrowserScope, listen } from "./browser-scope.ts";

/**
 * The life of this page (https://wicg.github.io/page-lifecycle/): what is shown, frozen, put into the back/forward cache or left.
 * Undefined in workers, which learn nothing of it.
 */
export function browserPageLife(scope: BrowserScope): PageLife | undefined {
  const { document } = scope;
  if (document === undefined) return undefined;
  return {
    subscribe(listener) {
      const offs = [
        listen(document, "visibilitychange", () => listener(document.visibilityState === "hidden" ? "hidden" : "visible")),
        listen(document, "freeze", () => listener("frozen")),
        listen(document, "resume", () => listener("resumed")),
        listen(scope, "pagehide", () => listener("leaving")),
        // The first one, when the page has just been loaded, is no return.
        listen(scope, "pageshow", ({ persisted }) => {
          if (persisted === true) listener("resumed");
        }),
      ];
      return () => {
        for (const off of offs) off();
      };
    },
  };
}
