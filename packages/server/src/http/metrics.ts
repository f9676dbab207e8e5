/** What the server measures about itself. No spaces, principals, ids or paths as labels: routes are templates. */
import { IDEMPOTENCY_INSTRUMENTS, type MetricDefinition, RESULT_OUTCOMES } from "@guardian-sync/protocol";
import { type Counter, type Histogram, MetricsRegistry } from "@guardian-sync/telemetry";
import type { WriteReport } from "../core/write.ts";

const MAX_ROUTES = 80;
const STATUS_CLASSES = ["2xx", "3xx", "4xx", "5xx"] as const;
const STATUSES = [200, 201, 204, 304, 400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 422, 426, 428, 429, 500, 503].map(String);

const REQUESTS: MetricDefinition = {
  name: "guardian_sync_server_requests_total",
  type: "counter",
  help: "Requests answered, by route template and class of status.",
  labels: { route: { atMost: MAX_ROUTES }, status_class: STATUS_CLASSES },
};
const RESPONSES: MetricDefinition = {
  name: "guardian_sync_server_responses_total",
  type: "counter",
  help: "Requests answered, by status.",
  labels: { status: [...STATUSES, "other"] },
};
const DURATION: MetricDefinition = {
  name: "guardian_sync_server_request_seconds",
  type: "histogram",
  help: "From the complete request to the complete answer, long polls left out.",
  unit: "s",
  edges: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
};
const OPERATIONS: MetricDefinition = {
  name: "guardian_sync_server_operations_total",
  type: "counter",
  help: "Operations judged, by outcome; repetitions answered from the ledger included.",
  labels: { outcome: RESULT_OUTCOMES },
};
const REPLAYS: MetricDefinition = {
  name: "guardian_sync_server_replayed_operations_total",
  type: "counter",
  help: "Operations answered from the ledger instead of being executed.",
};
const SKEW: MetricDefinition = {
  name: "guardian_sync_server_clock_skew_seconds",
  type: "histogram",
  help: "Distance between a request's timestamp and the server's clock.",
  unit: "s",
  edges: [0.1, 0.5, 1, 5, 30, 60, 300, 3600, 86_400],
};
const HEAD: MetricDefinition = {
  name: "guardian_sync_server_feed_head_seq",
  type: "gauge",
  help: "Highest head of all spaces that this process has written to.",
};
const WAITING: MetricDefinition = {
  name: "guardian_sync_server_long_polls",
  type: "gauge",
  help: "Pulls that wait for a change.",
};
const [HIT_RATE, CONCURRENT, LEDGER_SIZE, STALE] = IDEMPOTENCY_INSTRUMENTS as [
  MetricDefinition,
  MetricDefinition,
  MetricDefinition,
  MetricDefinition,
];

export class ServerMetrics {
  readonly registry: MetricsRegistry;
  readonly #duration: Histogram;
  readonly #replays: Counter;
  readonly #skew: Histogram;
  readonly #concurrent: Counter;
  readonly #inFlight = new Map<string, number>();
  #keyed = 0;
  #replayed = 0;
  #head = 0;
  #ledgerRows = 0;
  #staleRows = 0;

  constructor(routes: readonly string[], longPolls: () => number, registry: MetricsRegistry = new MetricsRegistry()) {
    this.registry = registry;
    // Counters are born at 0: one first seen at 60 hides sixty events.
    for (const route of routes) for (const statusClass of STATUS_CLASSES) registry.counter(REQUESTS, route, statusClass);
    registry.register(RESPONSES);
    registry.register(OPERATIONS);
    this.#duration = registry.histogram(DURATION);
    this.#replays = registry.counter(REPLAYS);
    this.#skew = registry.histogram(SKEW);
    this.#concurrent = registry.counter(CONCURRENT);
    registry.gaugeFrom(() => this.#head, HEAD);
    registry.gaugeFrom(longPolls, WAITING);
    registry.gaugeFrom(() => (this.#keyed === 0 ? Number.NaN : this.#replayed / this.#keyed), HIT_RATE);
    registry.gaugeFrom(() => this.#ledgerRows, LEDGER_SIZE);
    registry.gaugeFrom(() => this.#staleRows, STALE);
  }

  /** `route` null: no route matched. `durationMs` null: it waited on purpose. */
  request(route: string | null, status: number, durationMs: number | null): void {
    this.registry.counter(REQUESTS, route ?? "other", `${Math.floor(status / 100)}xx`).inc();
    const exact = String(status);
    this.registry.counter(RESPONSES, STATUSES.includes(exact) ? exact : "other").inc();
    if (durationMs !== null) this.#duration.observe(durationMs / 1000);
  }

  operations(report: WriteReport, keyed: number): void {
    for (const { outcome } of report.results) this.registry.counter(OPERATIONS, outcome).inc();
    this.#replays.inc(report.replays);
    this.#keyed += keyed;
    this.#replayed += report.replays;
    this.#ledgerRows += report.ledgerRows;
    this.#head = Math.max(this.#head, report.headSeq);
  }

  /** Marks keys as being executed; the returned function ends it. Meeting one that already is, is counted. */
  executing(scope: string, keys: readonly string[]): () => void {
    const names = keys.map((key) => `${scope}\u0000${key}`);
    let met = false;
    for (const name of names) {
      const running = this.#inFlight.get(name) ?? 0;
      met ||= running > 0;
      this.#inFlight.set(name, running + 1);
    }
    if (met) this.#concurrent.inc();
    return () => {
      for (const name of names) {
        const running = (this.#inFlight.get(name) ?? 1) - 1;
        if (running === 0) this.#inFlight.delete(name);
        else this.#inFlight.set(name, running);
      }
    };
  }

  skew(skewMs: number): void {
    this.#skew.observe(Math.abs(skewMs) / 1000);
  }

  /** What was counted in the database; between counts the number of rows is kept up by what is written. */
  ledger(counted: { readonly ledgerRows: number; readonly staleRows: number }): void {
    this.#ledgerRows = counted.ledgerRows;
    this.#staleRows = counted.staleRows;
  }
}
