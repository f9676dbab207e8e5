import { isJsonObject, type Json, type JsonObject, SYNC_PATHS } from "@guardian-sync/protocol";
import type { Exchange, HttpRequest } from "guardian-sync/testing";
import { pathOf, withResults } from "../wire.ts";
import { type Mutant, transportLike } from "./mutant.ts";

export const retireBeforeEcho: Mutant = {
  name: "retire before echo",
  wrong: "an acknowledged operation leaves the view before the documents contain it",
  // A place in the feed that was read long ago: the engine takes it for echoed.
  transport: (inner) =>
    transportLike(inner, async (request) => withResults(await inner.exchange(request), (result) => ({ ...result, commit_seq: 0 }))),
};

export const cursorBySequence: Mutant = {
  name: "cursor by sequence",
  wrong: "the position in the feed moves on by the number of changes that came, counted twice over, not to where the page ends",
  transport: (inner) =>
    transportLike(inner, async (request) => {
      const answer = await inner.exchange(request);
      const page = pageOf(request, answer);
      if (page === null || !page.has_more) return answer;
      const seq = Math.min(page.head_seq, page.to_seq + page.changes.length);
      const cursor = page.cursor.split(":").with(CURSOR_SEQ, String(seq)).join(":");
      return withPage(answer, { ...page, cursor, to_seq: seq, has_more: seq < page.head_seq });
    }),
};

/** Where a cursor of the server carries its number: `c1:generation:seq:filter`. */
const CURSOR_SEQ = 2;

interface Page {
  readonly cursor: string;
  readonly head_seq: number;
  readonly changes: readonly Json[];
  readonly to_seq: number;
  readonly has_more: boolean;
}

function pageOf(request: HttpRequest, answer: Exchange): Page | null {
  if (pathOf(request) !== SYNC_PATHS.changes || answer.kind !== "answer" || answer.status !== 200) return null;
  const data = dataOf(answer.body);
  return data !== null && typeof data.cursor === "string" ? (data as unknown as Page) : null;
}

function dataOf(body: string): JsonObject | null {
  if (!body.startsWith("{")) return null;
  const { data = null } = JSON.parse(body) as JsonObject;
  return isJsonObject(data) ? data : null;
}

function withPage(answer: Exchange, page: Page): Exchange {
  if (answer.kind !== "answer") return answer;
  const envelope = JSON.parse(answer.body) as JsonObject;
  return { ...answer, body: JSON.stringify({ ...envelope, data: page as unknown as Json }) };
}
