import type { Json, JsonObject } from "@guardian-sync/protocol";
import { isJsonObject } from "@guardian-sync/protocol";

export type Method = "POST" | "PUT" | "PATCH" | "DELETE";

/** How an operation reaches a REST backend. */
export interface Route {
  readonly method: Method;
  /** `/api/v1/devices/{device_id}/state`. */
  readonly path: string;
  /** Member of the body that carries the entity id, on a create. */
  readonly idField?: string;
  /** Names of path parameters that mean the entity id when the payload has no such member. Default: `id`, and every other. */
  readonly idParameter?: string;
}

export type RenderedRoute =
  | { readonly ok: true; readonly method: Method; readonly path: string; readonly payload: Json }
  | { readonly ok: false; readonly code: "MISSING_PATH_PARAMETER"; readonly parameter: string; readonly problem: string };

export interface RouteInput {
  readonly route: Route;
  readonly entityId: string;
  readonly payload: Json;
}

const PARAMETER = /\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/**
 * Fills a path template. A parameter is the payload's member of that name, which then leaves the body; without one, the
 * first parameter that is named like an id of the entity is the entity id. Values are strings or numbers, never empty.
 */
export function renderRoute({ route, entityId, payload }: RouteInput): RenderedRoute {
  const body: JsonObject | undefined = isJsonObject(payload) ? payload : undefined;
  const taken = new Set<string>();
  let missing: string | undefined;
  let idUsed = false;
  const path = route.path.replace(PARAMETER, (_whole, parameter: string) => {
    const own = body !== undefined && Object.hasOwn(body, parameter) ? body[parameter] : undefined;
    if (isSegment(own)) {
      taken.add(parameter);
      return encodeURIComponent(own);
    }
    const meansEntity = route.idParameter === undefined ? !idUsed && /(^|_)id$|Id$/.test(parameter) : route.idParameter === parameter;
    if (own === undefined && meansEntity && isSegment(entityId)) {
      idUsed = true;
      return encodeURIComponent(entityId);
    }
    missing ??= parameter;
    return "";
  });
  if (missing !== undefined) {
    const problem = `${route.path} needs ${missing}, which is not in the payload as a string or number`;
    return { ok: false, code: "MISSING_PATH_PARAMETER", parameter: missing, problem };
  }
  const rest = body === undefined || taken.size === 0 ? payload : without(body, taken);
  return { ok: true, method: route.method, path, payload: withId(route, entityId, rest) };
}

/** `.` and `..` would climb in the path even when encoded: URL parsers treat `%2e%2e` as `..`. */
function isSegment(value: unknown): value is string | number {
  return typeof value === "number" || (typeof value === "string" && value !== "" && value !== "." && value !== "..");
}

function without(body: JsonObject, names: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.has(name)));
}

function withId({ idField }: Route, entityId: string, payload: Json): Json {
  if (idField === undefined || !isJsonObject(payload) || payload[idField] !== undefined) return payload;
  return { [idField]: entityId, ...payload };
}

/** The routes that every collection has: the client's id travels in the body of a create, in the path of the others. */
export function collectionRoute(type: "CREATE" | "UPDATE" | "DELETE", collection: string, prefix = "/api/v1"): Route {
  const all = `${prefix}/${encodeURIComponent(collection)}`;
  if (type === "CREATE") return { method: "POST", path: all, idField: "id" };
  return { method: type === "UPDATE" ? "PATCH" : "DELETE", path: `${all}/{id}`, idParameter: "id" };
}
