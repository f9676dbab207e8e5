import type { Json } from "@guardian-sync/protocol";
import { parseOpsRequest, parseRequestEnvelope } from "@guardian-sync/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { faceOf, operationText, requestBody, restBody, type RestHead, restRequest, sealRest, sealSync, type SyncForm } from "./render.ts";
import { chooseFace, type FaceInput } from "./face.ts";

const KEY = "11111111-1111-4111-8111-111111111111";
const TRACE = "6f1a1e04-9f0e-4c55-8a63-0d8f6a1b2c3d";
const form: SyncForm = {
  key: KEY,
  operationId: "018f0000-0000-7000-8000-000000000001",
  type: "UPDATE",
  entityType: "device",
  entityId: "d1",
  payload: { name: "x" },
  traceId: TRACE,
  createdAt: "2026-03-01T12:00:00.000Z",
};
const head: RestHead = { method: "PATCH", path: "/api/v1/devices/d1", key: KEY, traceId: TRACE, createdAt: "2026-03-01T12:00:00.000Z" };
const meta = { trace_id: TRACE, timestamp: "2026-03-02T12:00:00.000Z" };
const batchHead = { meta, ordering: "global", fence: 7, lease: TRACE } as const;

/** The server refuses these names; the engine does so when it takes the payload. */
const isHarmless = (value: unknown): boolean => !/"(__proto__|constructor|prototype)":/.test(JSON.stringify(value));

describe("sealed text of the sync face", () => {
  test("X8 fields stand in a fixed order, absent ones nowhere", () => {
    expect(sealSync(form)).toBe(
      `{"face":"sync","operation":{"key":"${KEY}","operation_id":"018f0000-0000-7000-8000-000000000001","type":"UPDATE","entity_type":"device",` +
        `"entity_id":"d1","payload":{"name":"x"},"trace_id":"${TRACE}","created_at":"2026-03-01T12:00:00.000Z"}}`,
    );
    const full = sealSync({ ...form, base: { version: 3 }, supersedes: [KEY], lane: "l", dependsOn: [KEY], group: "g", txnToken: "txn-1" });
    expect(Object.keys((JSON.parse(full) as { operation: object }).operation)).toEqual(
      "key operation_id type entity_type entity_id payload base supersedes lane depends_on group trace_id txn_token created_at".split(" "),
    );
    expect(sealSync({ ...form, supersedes: [], dependsOn: [] })).toBe(sealSync(form));
  });
  test("X8 a batch is the stored texts joined, byte for byte", () => {
    const odd = sealSync(form).replace('{"name":"x"}', '{"name":"x",  "n": 1.0e0}');
    const body = requestBody(batchHead, [
      { sealed: odd, opNumber: 41 },
      { sealed: sealSync({ ...form, key: TRACE.replace("8a63", "8a64") }), opNumber: 42, cancelled: true },
    ]);
    expect(body).toContain(`{"op_number":41,${operationText(odd).slice(1)}`);
    expect(body).toContain('"n": 1.0e0');
    expect(body).toContain('{"op_number":42,"cancelled":true,"key"');
    expect(requestBody({ ...batchHead, ordering: "entity" }, [{ sealed: odd }])).toContain(`"operations":[${operationText(odd)}]}}`);
  });
  test("A1 a server's parser accepts what is built, for any payload", () => {
    fc.assert(
      fc.property(
        fc.array(fc.dictionary(fc.stringMatching(/^[a-m ,":{}\\]{1,12}$/), fc.jsonValue({ maxDepth: 3 }).filter(isHarmless)), {
          minLength: 1,
          maxLength: 5,
        }),
        (payloads) => {
          const items = payloads.map((payload, i) => ({
            sealed: sealSync({ ...form, payload: payload as Json, key: `${KEY.slice(0, -1)}${i}` }),
            opNumber: i + 1,
          }));
          const parsed = parseRequestEnvelope(JSON.parse(requestBody(batchHead, items)), parseOpsRequest);
          expect(parsed).toMatchObject({ ok: true });
          if (!parsed.ok) return;
          expect(parsed.value.payload).toMatchObject({ ordering: "global", fence: 7, lease: TRACE });
          expect(parsed.value.payload.operations.map((one) => one.ok && one.value.payload)).toEqual(
            payloads.map((payload) => JSON.parse(JSON.stringify(payload))),
          );
          expect(parsed.value.payload.operations.map((one) => one.ok && one.value.op_number)).toEqual(items.map((item) => item.opNumber));
        },
      ),
    );
  });
  test("X8 the faces are told apart and not confused", () => {
    expect(faceOf(sealSync(form))).toBe("sync");
    expect(faceOf(sealRest(head, {}))).toBe("rest");
    expect(() => operationText(sealRest(head, {}))).toThrow(RangeError);
    expect(() => restRequest(sealSync(form))).toThrow(RangeError);
  });
});

describe("sealed text of the REST face", () => {
  test("X8 the payload comes back byte for byte, whatever stands in the head", () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), (text, payload) => {
        const tricky: RestHead = { ...head, path: `/x${text},"payload":1`, ifMatch: '"v3"', txnToken: '","payload":{}' };
        const request = restRequest(sealRest(tricky, payload as Json));
        expect(request.payloadText).toBe(JSON.stringify(payload));
        expect(request).toEqual({ ...tricky, face: "rest", payloadText: request.payloadText });
      }),
    );
  });
  test("A2 the body is our envelope, or the bare payload", () => {
    const request = restRequest(sealRest(head, { name: "x" }));
    expect(restBody(request, meta)).toBe(`{"meta":${JSON.stringify(meta)},"payload":{"name":"x"}}`);
    expect(restBody(request, undefined)).toBe('{"name":"x"}');
    expect(restBody(restRequest(sealRest({ ...head, method: "DELETE" }, null)), undefined)).toBeUndefined();
  });
});

describe("choice of the face", () => {
  const full: FaceInput["capabilities"] = { level: 4, namedOperations: ["device.rename"], collections: { device: "devices" } };
  test.each([
    ["UPDATE", "device", full, false, "sync"],
    ["UPDATE", "device", full, true, "sync"],
    ["UPDATE", "room", full, true, "rest"],
    ["UPDATE", "room", full, false, "none"],
    ["UPDATE", "toString", full, false, "none"],
    ["device.rename", "device", full, true, "sync"],
    ["device.paint", "device", full, true, "rest"],
    ["device.paint", "device", full, false, "none"],
    ["UPDATE", "device", { ...full, level: 3 }, true, "rest"],
    ["device.rename", "device", { ...full, level: 2 }, true, "rest"],
    ["device.rename", "device", { ...full, level: 0 }, false, "none"],
  ] as const)("A2 %s of %s", (type, entityType, capabilities, hasRequest, face) => {
    expect(chooseFace({ type, entityType, capabilities, hasRequest })).toBe(face);
  });
});
