import type { PlainRequest, PlainResponse } from "@guardian-sync/server";
import type { Cast } from "./cast.ts";
import type { House } from "./house.ts";
import { PAGE_HTML } from "./page-html.ts";
import { PAGE_SCRIPT } from "./page-script.ts";
import { PAGE_STYLE } from "./page-style.ts";

export interface PageSources {
  readonly cast: Cast | undefined;
  readonly house: House | undefined;
}

const TAIL = 15;
const HEADERS = {
  "Cache-Control": "no-store",
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
} as const;

/** The status page and what it is made of; undefined for everything else, which the sync server answers. */
export function pages(sources: () => PageSources): (request: PlainRequest) => Promise<PlainResponse | undefined> {
  return async ({ method, path }) => {
    if (method !== "GET" && method !== "HEAD") return undefined;
    switch (path) {
      case "/":
        return answer("text/html", PAGE_HTML);
      case "/story/page.css":
        return answer("text/css", PAGE_STYLE);
      case "/story/page.js":
        return answer("text/javascript", PAGE_SCRIPT);
      case "/story/state.json":
        return answer("application/json", JSON.stringify(await stateOf(sources())));
      default:
        return undefined;
    }
  };
}

function answer(type: string, body: string): PlainResponse {
  return { status: 200, headers: { ...HEADERS, "Content-Type": `${type}; charset=utf-8` }, body };
}

async function stateOf({ cast, house }: PageSources): Promise<object> {
  const effects = (await house?.ledger.effects()) ?? [];
  const entities = (await house?.ledger.entities()) ?? [];
  return {
    devices: (cast?.views ?? []).map(({ name, pid, isOnline, lives, status }) => ({
      name,
      pid,
      is_online: isOnline,
      lives,
      enqueued: status?.enqueued ?? 0,
      succeeded: status?.succeeded ?? 0,
      waiting: (status?.pending ?? 0) + (status?.sealed ?? 0),
      failed: (status?.failed ?? 0) + (status?.archived ?? 0),
      is_balanced: status?.conserved ?? true,
      effects: effects.filter(({ device }) => device === name).length,
      replays: house?.ledger.replays(name) ?? 0,
    })),
    entities: entities.map(({ entity_type, entity_id, version, data }) => ({ type: entity_type, id: entity_id, version, data })),
    head: effects.at(-1)?.seq ?? 0,
    changes: effects.slice(-TAIL).toReversed(),
  };
}
