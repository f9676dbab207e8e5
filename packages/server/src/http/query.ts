/** Numbers in query strings. */
import { invalid, RequestRefused } from "../core/refusal.ts";
import type { Limits } from "./deps.ts";

type Query = { readonly [name: string]: string };

/** A whole number ≥ 0; 0 when absent. @throws RequestRefused 400 */
export function countOf(query: Query, name: string): number {
  const text = query[name];
  if (text === undefined) return 0;
  if (!/^\d{1,9}$/.test(text)) throw new RequestRefused(invalid(name, "integer", `${name} must be a whole number`, 400));
  return Number(text);
}

/** Items on a page. More than allowed is cut, as the page says by itself whether there is more. */
export function limitOf(query: Query, { pageItems, maxPageItems }: Limits): number {
  if (query.limit === undefined) return pageItems;
  const limit = countOf(query, "limit");
  if (limit === 0) throw new RequestRefused(invalid("limit", "minimum", "limit must be at least 1", 400));
  return Math.min(limit, maxPageItems);
}
