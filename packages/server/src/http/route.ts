/** Path templates. The template, not the path, is what metrics and logs name. */
import type { Exchange } from "./exchange.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface Reply {
  readonly status: number;
  /** Goes into the envelope; absent with 204 and 304. */
  readonly data?: unknown;
  /** Instead of an envelope: metrics and probes. */
  readonly text?: { readonly body: string; readonly contentType: string };
  readonly headers?: { readonly [name: string]: string };
}

export interface Route {
  readonly method: Method;
  /** `/api/v1/devices/{id}` */
  readonly template: string;
  /** `session`: with a token only. `open`: without, but rate limited. `probe`: answers also while draining, never limited. */
  readonly access: "session" | "open" | "probe";
  readonly handle: (exchange: Exchange) => Promise<Reply>;
}

export type Match =
  | { readonly kind: "found"; readonly route: Route; readonly params: { readonly [name: string]: string } }
  | { readonly kind: "wrong_method"; readonly allow: readonly Method[] }
  | { readonly kind: "not_found" };

interface Compiled {
  readonly segments: readonly string[];
  /** Two methods of one path may name its parameters differently. */
  readonly routes: Map<Method, { readonly route: Route; readonly segments: readonly string[] }>;
}

export class Router {
  /** By number of segments; literal templates before those with parameters. */
  readonly #bySize = new Map<number, Compiled[]>();

  /** @throws TypeError if two routes have the same method and template. */
  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const segments = split(route.template);
      const sized = this.#bySize.get(segments.length) ?? [];
      this.#bySize.set(segments.length, sized);
      let compiled = sized.find((other) => shape(other.segments) === shape(segments));
      if (compiled === undefined) {
        compiled = { segments, routes: new Map() };
        sized.push(compiled);
      }
      if (compiled.routes.has(route.method)) throw new TypeError(`two routes answer ${route.method} ${route.template}`);
      compiled.routes.set(route.method, { route, segments });
    }
    for (const sized of this.#bySize.values()) sized.sort((a, b) => specificity(b) - specificity(a));
  }

  match(method: string, path: string): Match {
    const segments = split(path);
    let allow: readonly Method[] | null = null;
    for (const { segments: wanted, routes } of this.#bySize.get(segments.length) ?? []) {
      if (paramsOf(wanted, segments) === null) continue;
      const found = routes.get(method as Method) ?? (method === "HEAD" ? routes.get("GET") : undefined);
      if (found !== undefined) return { kind: "found", route: found.route, params: paramsOf(found.segments, segments) ?? {} };
      allow = [...(allow ?? []), ...routes.keys()];
    }
    return allow === null ? { kind: "not_found" } : { kind: "wrong_method", allow };
  }
}

function split(path: string): readonly string[] {
  return path.split("/").slice(1);
}
function isParameter(segment: string): boolean {
  return segment.startsWith("{");
}
function shape(segments: readonly string[]): string {
  return segments.map((segment) => (isParameter(segment) ? "{}" : segment)).join("/");
}
function specificity({ segments }: Compiled): number {
  return segments.filter((segment) => !isParameter(segment)).length;
}

function paramsOf(wanted: readonly string[], segments: readonly string[]): { readonly [name: string]: string } | null {
  const params: [string, string][] = [];
  for (const [index, segment] of segments.entries()) {
    const name = wanted[index] as string;
    if (!isParameter(name)) {
      if (name !== segment) return null;
      continue;
    }
    const value = decodedSegment(segment);
    if (value === null) return null;
    params.push([name.slice(1, -1), value]);
  }
  return Object.fromEntries(params);
}

function decodedSegment(segment: string): string | null {
  try {
    const text = decodeURIComponent(segment);
    return text === "" ? null : text;
  } catch {
    return null;
  }
}
