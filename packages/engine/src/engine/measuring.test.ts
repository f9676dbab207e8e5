import { MANDATED_METRICS } from "@guardian-sync/protocol";
import { type LogRecord, MetricsRegistry, SecureLogger } from "@guardian-sync/telemetry";
import { afterEach, beforeEach, expect, test } from "vitest";
import { json, prometheus, summary } from "../metrics.ts";
import { refused } from "../testing/scripted-transport.ts";
import { TestWorld } from "../testing/test-world.ts";

const OPS = "/api/v1/sync/ops";
let world = new TestWorld();
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

test("T1 what an engine does stands under the mandated names, and what it did not do at 0", async () => {
  const metrics = new MetricsRegistry(MANDATED_METRICS);
  const engine = await world.engine({ telemetry: { logger: new SecureLogger({ sink: () => {}, now: () => world.clock.now() }), metrics } });
  const calm = world.transport.always(OPS, refused(500, "INTERNAL_ERROR"));
  await world.enqueue(engine, ["CREATE d1"]);
  await world.advance(1500);
  calm();
  await world.advance(60_000);
  await world.enqueue(engine, ["UPDATE d1", "UPDATE d1"]);
  await world.advance(1000);

  const { counters, gauges } = json(engine) as unknown as { counters: Record<string, number>; gauges: Record<string, number> };
  expect(counters).toMatchObject({ enqueued_ops_total: 3, processed_ops_total: 3, failed_ops_total: 0, circuit_tripped_total: 0 });
  expect(counters["retries_total"]).toBeGreaterThanOrEqual(1);
  expect(counters["backoff_events_total"]).toBe(counters["retries_total"]);
  expect(gauges).toMatchObject({ pending_ops_gauge: 0, active_processors_gauge: 0 });
  expect(prometheus(engine)).toContain("\nprocessed_ops_total 3\n");
  expect(summary(engine)).toContain("processed_ops_total");
  for (const { name } of MANDATED_METRICS) expect(prometheus(engine)).toContain(`# TYPE ${name} `);
});

test("T4 the log tells what happened to which operation, and nothing that a user wrote", async () => {
  const records: LogRecord[] = [];
  const logger = new SecureLogger({ sink: (record) => records.push(record), now: () => world.clock.now(), level: "debug" });
  const engine = await world.engine({ telemetry: { logger, metrics: new MetricsRegistry(MANDATED_METRICS) } });
  world.transport.always(OPS, refused(422, "VALIDATION_ERROR"));
  const operation = await world.run(
    engine.enqueue({
      type: "CREATE",
      entityType: "device",
      entityId: "canary-id",
      payload: { name: "canary@example.com" },
    }),
  );
  await world.advance(5000);

  const failed = records.find(({ event_type }) => event_type === "operation_failed");
  expect(failed).toMatchObject({
    level: "error",
    operation_id: operation.id,
    operation_type: "CREATE",
    entity_type: "device",
    code: "VALIDATION_ERROR",
  });
  expect(records.map(({ event_type }) => event_type)).toEqual(expect.arrayContaining(["operation_enqueued", "operation_sealed", "lock"]));
  expect(JSON.stringify(records)).not.toContain("canary");
});

test("T1 an engine that measures into another system says so", async () => {
  const engine = await world.engine();
  expect(() => prometheus({ metrics: { ...engine.metrics } as never })).toThrow(/another system/);
});
