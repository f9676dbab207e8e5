import type { KeptOperation } from "guardian-sync/operator";
import { describe, expect, test } from "vitest";
import { keptJson } from "./kept-json.ts";

const kept: KeptOperation = {
  seq: 1,
  id: "019a7c3e-8f00-7a10-8c2d-3f5b9e6d1a01",
  type: "UPDATE",
  entityType: "device",
  entityId: "d1",
  payload: { email: "ada@example.com" },
  key: "9b2f6c1e-0f4d-4c8a-9b57-2a6e4d1c7f30",
  traceId: "6f1a1e04-9f0e-4c55-8a63-0d8f6a1b2c3d",
  state: "failed",
  attempts: 2,
  code: "VALIDATION_ERROR",
  lastError: "VALIDATION_ERROR 422",
  enqueuedAt: "2026-03-01T12:00:00.000Z",
  changedAt: "2026-03-01T12:00:00.000Z",
  history: [{ at: 0, event: "archived: asked by ada@example.com", key: "9b2f6c1e-0f4d-4c8a-9b57-2a6e4d1c7f30" }],
  overtaken: ["name"],
};

describe("C1 a kept operation for machines", () => {
  test("tells what became of it and what is overtaken, redacted", () => {
    const json = keptJson(kept);
    expect(json).toMatchObject({ overtaken: ["name"], history: [{ at: "1970-01-01T00:00:00.000Z", idempotency_key: kept.key }] });
    expect(JSON.stringify(json)).not.toContain("ada@example.com");
    expect(keptJson({ ...kept, overtaken: "everything" })).toMatchObject({ overtaken: "everything" });
    expect(keptJson({ ...kept, overtaken: null, history: [] })).toMatchObject({ overtaken: null, history: [] });
  });
});
