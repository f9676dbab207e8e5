import type { PendingOp } from "@guardian-sync/protocol";
import { expect, test } from "vitest";
import { EXPORT_COLUMNS, redactedRow } from "./redacted-row.ts";

const operation: PendingOp = {
  id: "019a7c3e-8f00-7a10-8c2d-3f5b9e6d1a01",
  seq: 41,
  operation_type: "UPDATE",
  version: 1,
  entity_type: "user",
  entity_id: "ada@example.com",
  payload: { email: "ada@example.com", password: "hunter2", nested: [{ phone: "+49 170 1234567", note: "card 4111 1111 1111 1111" }] },
  idempotency_key: "9b2f6c1e-0f4d-4c8a-9b57-2a6e4d1c7f30",
  trace_id: "5d0a2c7b-4e19-4f6d-8a3c-71b9e2d40c58",
  txn_token: "txn-1",
  enqueued_at: "2025-11-22T09:15:30.125Z",
  attempt_count: 2,
  next_retry_at: null,
  backoff_ms: 5000,
  status: "failed",
  last_error: "VALIDATION_ERROR 422 ada@example.com is taken",
};

test("C1 E1 a row has the columns in their order, redacted, without the payload", () => {
  const row = redactedRow(operation, { includePayload: false });
  expect(Object.keys(row)).toEqual([...EXPORT_COLUMNS]);
  expect(JSON.stringify(row)).not.toContain("ada@example.com");
  expect(row).toMatchObject({
    id: operation.id,
    entity_id: "[REDACTED_EMAIL]",
    last_error: "VALIDATION_ERROR 422 [REDACTED_EMAIL] is taken",
    idempotency_key: operation.idempotency_key,
    enqueued_at: operation.enqueued_at,
    backoff_ms: 5000,
    next_retry_at: null,
  });
});

test("C1 E1 the payload comes last, only when asked for, and redacted too", () => {
  const row = redactedRow(operation, { includePayload: true });
  expect(Object.keys(row).at(-1)).toBe("payload");
  expect(row.payload).toEqual({
    email: "[REDACTED_EMAIL]",
    password: "[REDACTED]",
    nested: [{ phone: "[REDACTED_PHONE]", note: "card [REDACTED_CC]" }],
  });
});
