/** Routes that an authenticator brings: calls that hand out tokens. They answer as they are asked, in the envelope or bare. */
import { inspectPayload, isJsonObject } from "@guardian-sync/protocol";
import { invalid, RequestRefused } from "../core/refusal.ts";
import type { TokenRoute } from "../ports.ts";
import type { Exchange } from "./exchange.ts";
import type { Reply, Route } from "./route.ts";

export function tokenRoutes(routes: readonly TokenRoute[]): readonly Route[] {
  return routes.map((route) => ({
    method: route.method,
    template: route.path,
    access: "open",
    handle: (exchange) => answer(exchange, route),
  }));
}

async function answer(exchange: Exchange, route: TokenRoute): Promise<Reply> {
  const body = exchange.json;
  if (!isJsonObject(body)) throw new RequestRefused(invalid("body", "object", "the body must be a JSON object", 400));
  if (body.meta !== undefined && body.payload !== undefined) {
    return { status: 200, data: await route.handle(exchange.envelope(inspectPayload, { isWrite: false }).payload, exchange.request) };
  }
  // A person with curl, or a sign-in page that knows no envelope.
  const payload = inspectPayload(body);
  if (!payload.ok) throw new RequestRefused(invalid(payload.path, payload.problem, `${payload.path} ${payload.problem}`, 400));
  const data = await route.handle(payload.value, exchange.request);
  return { status: 200, text: { body: JSON.stringify(data), contentType: "application/json; charset=utf-8" } };
}
