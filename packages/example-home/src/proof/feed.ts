/** Reads the server's change feed from its floor to its head, as any client may. */
import { tokenOf } from "./home.ts";
import type { FeedChange } from "./oracle.ts";

interface Page {
  readonly data: { readonly changes: readonly FeedChange[]; readonly cursor: string; readonly has_more: boolean };
}

export async function readFeed(baseUrl: string, space: string, principal: string, tokenNumber = 1): Promise<readonly FeedChange[]> {
  const all: FeedChange[] = [];
  let cursor = "";
  for (;;) {
    const url = `${baseUrl}/api/v1/sync/changes?limit=1000${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`;
    const answer = await fetch(url, { headers: { authorization: `Bearer ${tokenOf(space, principal, tokenNumber)}` } });
    if (answer.status !== 200) throw new Error(`the change feed answered ${answer.status}: ${(await answer.text()).slice(0, 300)}`);
    const { data } = (await answer.json()) as Page;
    all.push(...data.changes);
    if (!data.has_more) return all;
    cursor = data.cursor;
  }
}
