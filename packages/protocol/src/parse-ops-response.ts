import { count, listOf, name, objectOf } from "./checks.ts";
import { MAX_BATCH_OPERATIONS } from "./limits.ts";
import type { OperationResult, OpsResponse } from "./messages.ts";
import { parseOperationResult } from "./parse-result.ts";
import { accept, border, type Check, type Parsed, refuse } from "./parsed.ts";

/**
 * Reads the data of `POST /api/v1/sync/ops`. There must be exactly one result for each key sent; they come back in the
 * order of `expectedKeys`, whatever order they arrived in. A missing, unknown or repeated key makes the whole answer
 * malformed: results of which one is wrong cannot be trusted for the others.
 */
export function parseOpsResponse(value: unknown, expectedKeys: readonly string[], path = ""): Parsed<OpsResponse> {
  return border(
    value,
    path,
    objectOf((members) =>
      members.done({
        generation: members.need("generation", name),
        head_seq: members.need("head_seq", count),
        results: members.need("results", matched(expectedKeys)),
      }),
    ),
  );
}

function matched(expectedKeys: readonly string[]): Check<readonly OperationResult[]> {
  return (value, path) => {
    const parsed = listOf(parseOperationResult, MAX_BATCH_OPERATIONS)(value, path);
    if (!parsed.ok) return parsed;
    const byKey = new Map(parsed.value.map((result) => [result.key, result]));
    if (byKey.size !== parsed.value.length) return refuse(path, "must not answer a key twice");
    const results: OperationResult[] = [];
    for (const key of expectedKeys) {
      const result = byKey.get(key);
      if (result === undefined) return refuse(path, `must answer each of the ${expectedKeys.length} keys sent`);
      results.push(result);
    }
    if (results.length !== byKey.size) return refuse(path, "must not answer keys that were not sent");
    return accept(results);
  };
}
