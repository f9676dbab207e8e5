import { isoTime, objectOf, oneOf, uuidV4 } from "./checks.ts";
import type { Verdict } from "./messages.ts";
import { parseOperationResult } from "./parse-result.ts";
import { border, type Check, type Parsed } from "./parsed.ts";

const verdictName: Check<Verdict["verdict"]> = /* @__PURE__ */ oneOf(["applied", "rejected", "cancelled", "unknown"]);

/** Reads what became of a key; `expectedKey` is the one asked for. */
export function parseVerdict(value: unknown, expectedKey?: string, path = ""): Parsed<Verdict> {
  return border(
    value,
    path,
    objectOf((members) => {
      const key = members.need("key", uuidV4);
      if (expectedKey !== undefined && key !== expectedKey) members.refuse("key", "is not the one asked for");
      return members.done({
        key,
        verdict: members.need("verdict", verdictName),
        known_since: members.need("known_since", isoTime),
        ...members.may("result", parseOperationResult),
      });
    }),
  );
}
