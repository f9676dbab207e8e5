import { isJsonObject, type Json, type JsonObject, SYNC_PATHS } from "@guardian-sync/protocol";
import type { Exchange, HttpRequest } from "guardian-sync/testing";
import type { Change } from "../gated-store.ts";
import { pathOf, withResults } from "../wire.ts";
import { type Mutant, storeLike, transportLike } from "./mutant.ts";

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

/** The guard compares with what the file holds: a reader that finds nothing there takes whatever comes. */
export const noVersionGuard: Mutant = {
  name: "no version guard",
  wrong: "a page is applied over documents that are newer than it",
  store: (inner, { memory }) =>
    storeLike(inner, {
      readEntities: async (...args) => {
        const rows = await inner.readEntities(...args);
        for (const { entityTag, body } of rows) if (body !== null) memory.bodies.set(entityTag, body);
        return rows.map((row) => ({ ...row, body: null }));
      },
      // What was hidden from the reader is not lost by it.
      commit: (change: Change) => {
        const { putEntities } = change;
        if (putEntities === undefined) return inner.commit(change);
        return inner.commit({
          ...change,
          putEntities: putEntities.map((row) => ({ ...row, body: row.body ?? memory.bodies.get(row.entityTag) ?? null })),
        });
      },
    }),
  // It takes a snapshot that lasts to meet what is newer, and a replay that comes in pieces: one thing at a time, the documents slowly.
  // The engine as it is does not mind.
  transport: (inner, { clock }) =>
    transportLike(inner, async (request) => {
      const isSnapshot = pathOf(request) === SYNC_PATHS.snapshot;
      if (!isSnapshot && pathOf(request) !== SYNC_PATHS.changes) return inner.exchange(request);
      const url = new URL(request.url);
      url.searchParams.set("limit", "1");
      const answer = await inner.exchange({ ...request, url: url.href });
      // What asks for time is heard at once.
      if (isSnapshot && answer.kind === "answer" && answer.status === 200)
        await new Promise<void>((resolve) => clock.schedule(SLOW_MS, resolve));
      return answer;
    }),
};

const SLOW_MS = 4000;

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
