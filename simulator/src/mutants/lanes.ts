import { isJsonObject, type Json, type JsonObject } from "@guardian-sync/protocol";
import type { Exchange, HttpRequest } from "guardian-sync/testing";
import { operationsOf, orderingOf } from "../wire.ts";
import { type Mutant, transportLike } from "./mutant.ts";

export const laneInTwoRequests: Mutant = {
  name: "a lane in two requests",
  wrong: "two operations of one entity are under way at once, each in a request of its own",
  transport: (inner) =>
    transportLike(inner, async (request) => {
      const last = operationsOf(request).at(-1);
      const before = operationsOf(request).slice(0, -1);
      const isShared = before.some(({ entity_id }) => entity_id === last?.entity_id);
      if (orderingOf(request) !== "entity" || !isShared) return inner.exchange(request);
      const parts = [withSome(request, (at) => at < before.length), withSome(request, (at) => at === before.length)];
      const answers = await Promise.all(parts.map((part) => inner.exchange(part)));
      return answers.reduce(joined);
    }),
};

function withSome(request: HttpRequest, isKept: (index: number) => boolean): HttpRequest {
  const envelope = JSON.parse(request.body ?? "{}") as { payload: { operations: readonly Json[] } };
  const operations = envelope.payload.operations.filter((_, index) => isKept(index));
  return { ...request, body: JSON.stringify({ ...envelope, payload: { ...envelope.payload, operations } }) };
}

/** The first one that is no plain answer speaks for both. */
function joined(first: Exchange, second: Exchange): Exchange {
  if (first.kind !== "answer" || first.status !== 200) return first;
  if (second.kind !== "answer" || second.status !== 200) return second;
  const [one, two] = [JSON.parse(first.body) as JsonObject, JSON.parse(second.body) as JsonObject];
  if (!isJsonObject(one.data) || !isJsonObject(two.data)) return first;
  const results = [...(one.data.results as readonly Json[]), ...(two.data.results as readonly Json[])];
  return { ...first, body: JSON.stringify({ ...one, data: { ...one.data, results } }) };
}
