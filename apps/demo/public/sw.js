// Keeps the page itself on the device, so that it opens without a network. Data is none of its business: that is the engine's.
const CACHE = "guardian-demo-shell";

self.addEventListener("install", (event) => {
  event.waitUntil(keepShell().then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return;
  if (request.mode === "navigate") event.respondWith(newestPage());
  else if (pathname.startsWith("/assets/") || pathname === "/icon.svg") event.respondWith(keptOrFetched(request));
});

/** The page, and what it names. */
async function keepShell() {
  const cache = await caches.open(CACHE);
  const response = await fetch("/", { cache: "no-cache" });
  if (!response.ok) throw new Error(`the page was answered with ${response.status}`);
  const html = await response.clone().text();
  const named = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path);
  // The parts first: a page is kept only together with all of them.
  await cache.addAll(named);
  await cache.put("/", response);
  const wanted = new Set(["/", ...named]);
  for (const { url } of await cache.keys()) if (!wanted.has(new URL(url).pathname)) await cache.delete(url);
}

async function newestPage() {
  try {
    const response = await fetch("/", { cache: "no-cache", signal: AbortSignal.timeout(3000) });
    if (!response.ok) throw new Error(String(response.status));
    const kept = await caches.match("/");
    const text = await response.clone().text();
    // A new build: kept whole, or not at all.
    if (kept === undefined || (await kept.text()) !== text) keepShell().catch(() => {});
    return response;
  } catch {
    return (await caches.match("/")) ?? Response.error();
  }
}

async function keptOrFetched(request) {
  return (await caches.match(request, { ignoreSearch: true })) ?? fetch(request);
}
