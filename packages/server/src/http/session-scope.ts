/** The parts of an operation's envelope that come from headers and session. */
import { HEADERS, isUuid } from "@guardian-sync/protocol";
import type { Fence } from "../core/fence.ts";
import { invalid, RequestRefused } from "../core/refusal.ts";
import type { Exchange } from "./exchange.ts";

/** `X-Device-Id`, or null. @throws RequestRefused 400 when it is no UUID */
export function clientIdOf(exchange: Exchange): string | null {
  const id = exchange.header(HEADERS.deviceId);
  if (id === undefined) return null;
  const lower = id.trim().toLowerCase();
  if (!isUuid(lower)) throw new RequestRefused(invalid(HEADERS.deviceId, "uuid", "X-Device-Id must be a UUID", 400));
  return lower;
}

/** `Sync-Fence` with `Sync-Lease`, or null. */
export function fenceOf(exchange: Exchange): Fence | null {
  const [fence, lease] = [exchange.header(HEADERS.fence), exchange.header(HEADERS.lease)];
  if (fence === undefined && lease === undefined) return null;
  if (fence === undefined || !/^\d{1,15}$/.test(fence)) {
    throw new RequestRefused(invalid(HEADERS.fence, "integer", "Sync-Fence must be a whole number and comes with Sync-Lease", 400));
  }
  if (lease === undefined || !isUuid(lease)) {
    throw new RequestRefused(invalid(HEADERS.lease, "uuid", "Sync-Lease must be a UUID and comes with Sync-Fence", 400));
  }
  return { fence: Number(fence), lease };
}
