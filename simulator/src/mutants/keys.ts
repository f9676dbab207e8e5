import { type JsonObject, uuidV4 } from "@guardian-sync/protocol";
import type { Exchange, HttpRequest, Transport } from "guardian-sync/testing";
import { askedKey, operationsOf, withOperations, withResults } from "../wire.ts";
import { type Mutant, type MutantSurroundings, transportLike } from "./mutant.ts";

/** Sends other keys than the engine's where `renews` says so; the engine notices nothing. */
export function renewingKeys(inner: Transport, around: MutantSurroundings, renews: (key: string) => boolean): Transport {
  const { memory, random, generation } = around;
  return transportLike(inner, async (request) => {
    const back = new Map<string, string>();
    for (const { key } of operationsOf(request)) {
      if (renews(key))
        memory.replaced.set(
          key,
          uuidV4((length) => random.bytes(length)),
        );
      if (!memory.firstSentBy.has(key)) memory.firstSentBy.set(key, generation);
    }
    const forth = (key: string): string => {
      const sent = memory.replaced.get(key) ?? key;
      back.set(sent, key);
      return sent;
    };
    const answer = await inner.exchange(renamed(request, forth));
    return backNamed(answer, (key) => back.get(key) ?? key);
  });
}

function renamed(request: HttpRequest, forth: (key: string) => string): HttpRequest {
  const asked = askedKey(request);
  if (asked !== null) return { ...request, url: new URL(asked.path(forth(asked.key)), request.url).href };
  return withOperations(request, (operation) => ({
    ...operation,
    key: forth(operation.key),
    ...(operation.supersedes === undefined ? {} : { supersedes: operation.supersedes.map(forth) }),
  }));
}

function backNamed(exchange: Exchange, back: (key: string) => string): Exchange {
  const results = withResults(exchange, (result) => ({
    ...result,
    key: back(result.key),
    ...(result.applied_key === undefined ? {} : { applied_key: back(result.applied_key) }),
  }));
  if (results !== exchange || exchange.kind !== "answer" || !exchange.body.includes('"verdict"')) return results;
  const envelope = JSON.parse(exchange.body) as { data: { key: string; result?: JsonObject } };
  const { data } = envelope;
  const result = data.result === undefined ? {} : { result: { ...data.result, key: back(String(data.result.key)) } };
  return { ...exchange, body: JSON.stringify({ ...envelope, data: { ...data, key: back(data.key), ...result } }) };
}

export const newKeyPerTry: Mutant = {
  name: "new key per try",
  wrong: "a retry travels under a key of its own, so the server cannot know it for a repetition",
  transport: (inner, around) => renewingKeys(inner, around, (key) => around.memory.firstSentBy.has(key)),
};
