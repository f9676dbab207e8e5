import { parseUrl } from "./url.ts";

const MAX_REDIRECTS = 5;

export type Redirect = { readonly kind: "follow"; readonly url: URL } | { readonly kind: "report"; readonly crossOrigin: boolean };

/**
 * What becomes of an answer from `url`, after `hops` redirects. 307 and 308 within the origin are followed, with the same method
 * and body; everything else is reported, and nothing is ever sent to another origin.
 */
export function redirectOf(url: URL, answer: { readonly status: number; readonly location: string | undefined }, hops: number): Redirect {
  const { status, location } = answer;
  const target = status >= 300 && status < 400 && location !== undefined ? parseUrl(location, url) : undefined;
  if (target === undefined) return { kind: "report", crossOrigin: false };
  if (target.origin !== url.origin) return { kind: "report", crossOrigin: true };
  if ((status !== 307 && status !== 308) || hops >= MAX_REDIRECTS) return { kind: "report", crossOrigin: false };
  return { kind: "follow", url: target };
}
