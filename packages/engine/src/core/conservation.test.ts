import { describe, expect, test } from "vitest";
import type { Counts } from "../ports/index.ts";
import { account, conserved } from "./conservation.ts";

const counts: Counts = {
  enqueued: 45,
  pending: 1,
  sealed: 2,
  succeeded: 3,
  failed: 4,
  parked: 5,
  archived: 6,
  conflict: 7,
  cancelled: 8,
  quarantined: 9,
};

describe("conservation", () => {
  test("Q1 holds when enqueued is the sum of the others", () => {
    expect(conserved(counts)).toEqual({ ok: true, difference: 0 });
    expect(account(counts).join("\n")).toMatchInlineSnapshot(`
      "enqueued              45
      = succeeded            3
      + failed              15  (failed 4, parked 5, archived 6)
      + conflict             7
      + cancelled            8
      + quarantined          9
      + pending              3  (waiting 1, sealed 2)
      balanced"
    `);
  });
  test("Q1 names what is missing, what is there twice, and what cannot be", () => {
    expect(conserved({ ...counts, enqueued: 47 })).toEqual({ ok: false, difference: 2 });
    expect(account({ ...counts, enqueued: 47 }).at(-1)).toBe("2 MISSING");
    expect(account({ ...counts, enqueued: 44 }).at(-1)).toBe("1 COUNTED TWICE");
    expect(account({ ...counts, failed: -1, parked: 10 }).at(-1)).toBe("A COUNTER IS NEGATIVE");
    expect(conserved({ ...counts, failed: 4.5, parked: 4.5 }).ok).toBe(false);
  });
});
