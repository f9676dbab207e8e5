import { readFile } from "node:fs/promises";
import { extname, join, normalize, sep } from "node:path";
import type { PlainResponse } from "@guardian-sync/server";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

/** The built page, and nothing beside it. */
export async function page(folder: string, path: string): Promise<PlainResponse> {
  const name = path === "/" ? "/index.html" : path;
  const file = normalize(join(folder, name));
  const type = TYPES[extname(name)];
  if (type === undefined || name.includes("%") || !file.startsWith(folder + sep)) return nothing();
  try {
    // Names under /assets contain a hash of their content; everything else may change with the next build.
    const caching = name.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache";
    return { status: 200, headers: { ...HEADERS, "Content-Type": type, "Cache-Control": caching }, body: await readFile(file, "utf8") };
  } catch {
    return nothing();
  }
}

function nothing(): PlainResponse {
  return { status: 404, headers: { ...HEADERS, "Content-Type": "text/plain; charset=utf-8" }, body: "There is nothing at this address.\n" };
}
