import type { Exchange } from "../ports/index.ts";
import type { SeenRequest } from "./scripted-transport.ts";
import type { Timeline } from "./virtual-clock.ts";

/** A backend as frameworks have it: Hono, Next, the reference server's `fetch`. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

/** Answers with a backend's own code. It takes real time, so virtual time waits for it. */
export function fetchBackend(handler: FetchHandler, timeline: Timeline): (request: SeenRequest) => Promise<Exchange> {
  return ({ url, method, headers, body }) => {
    const init: RequestInit = { method, headers };
    if (body !== undefined) init.body = body;
    return timeline.hold(exchange(handler, new Request(url, init)));
  };
}

async function exchange(handler: FetchHandler, request: Request): Promise<Exchange> {
  const response = await handler(request);
  const { status, headers } = response;
  return { kind: "answer", status, headers: Object.fromEntries(headers), body: await response.text(), elapsedMs: 0 };
}
