import { parseUrl } from "./url.ts";

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Why nothing may be sent to `url`, or `undefined`. Plain http is for this machine, unless `allowInsecure` says otherwise. */
export function refusalOf(url: string, allowInsecure: boolean): string | undefined {
  const { protocol, hostname } = parseUrl(url) ?? {};
  if (protocol === "https:") return undefined;
  if (protocol !== "http:") return "the address is neither https nor http";
  return allowInsecure || LOOPBACK.test(hostname ?? "") ? undefined : "http is refused outside this machine: use https";
}
