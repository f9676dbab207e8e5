/** Probes for whoever runs the server: metrics in both formats, and health. */
import { PROMETHEUS_CONTENT_TYPE, renderJson, renderPrometheus } from "@guardian-sync/telemetry";
import type { Exchange } from "./exchange.ts";
import type { Reply, Route } from "./route.ts";

const JSON_TYPE = "application/json; charset=utf-8";

export function probeRoutes(isDraining: () => boolean): readonly Route[] {
  const ready = (exchange: Exchange): Promise<Reply> => readiness(exchange, isDraining());
  const route = (template: string, handle: Route["handle"]): Route => ({ method: "GET", template, access: "probe", handle });
  return [
    route("/metrics", async ({ deps }) => text(200, renderPrometheus(deps.metrics.registry), PROMETHEUS_CONTENT_TYPE)),
    route("/metrics.json", async ({ deps }) => text(200, JSON.stringify(renderJson(deps.metrics.registry)), JSON_TYPE)),
    route("/health", ready),
    route("/health/ready", ready),
    // Alive is whoever answers. A restart does not help a process whose database is away.
    route("/health/live", async () => status(200, { status: "ok" })),
  ];
}

async function readiness({ deps }: Exchange, isDraining: boolean): Promise<Reply> {
  if (isDraining) return status(503, { status: "draining" });
  try {
    await deps.storage.read((tx) => tx.spaces({ after: "", limit: 1 }));
    return status(200, { status: "ok", checks: { storage: "ok" } });
  } catch {
    return status(503, { status: "unavailable", checks: { storage: "failing" } });
  }
}

function status(code: number, content: unknown): Reply {
  return text(code, JSON.stringify(content), JSON_TYPE);
}
function text(code: number, body: string, contentType: string): Reply {
  return { status: code, text: { body, contentType } };
}
