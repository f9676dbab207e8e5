/** Runs operations in a write transaction and tells those who wait for the feed. */
import { RequestRefused } from "../core/refusal.ts";
import type { Envelope } from "../core/operation.ts";
import type { Item } from "../core/group.ts";
import type { ReadTx, SpaceRow } from "../core/storage.ts";
import { ensureSpace, executeOperations, type WriteReport } from "../core/write.ts";
import type { Exchange } from "./exchange.ts";

export async function perform(
  exchange: Exchange,
  items: readonly Item[],
  more: Pick<Envelope, "ordering" | "clientId" | "fence">,
): Promise<WriteReport> {
  const { deps, session, now, requestId } = exchange;
  const { principal, space, roles } = session;
  const keys = items.flatMap(({ key }) => (key === null ? [] : [key]));
  const done = deps.metrics.executing(`${space}\u0000${principal}`, keys);
  const writing = deps.storage.write((tx) =>
    executeOperations(tx, items, {
      registry: deps.registry,
      envelope: { principal, space, roles, now, ...more },
      newGeneration: deps.newId,
      report: (error, { type }) => {
        const code = "INTERNAL_ERROR";
        deps.logger.error({
          event_type: "operation_failed",
          msg: `request ${requestId}: code of an operation threw`,
          operation_type: type,
          code,
        });
        deps.reportError(error, { operation_type: type, code });
      },
    }),
  );
  const report = await writing.finally(done);
  if (report.hasAdvanced) deps.feed.notify(space);
  deps.metrics.operations(report, keys.length);
  return report;
}

/** Reads within the session's space, which exists afterwards. */
export async function readSpace<T>({ deps, session, now }: Exchange, work: (tx: ReadTx, space: SpaceRow) => Promise<T>): Promise<T> {
  const attempt = (): Promise<{ readonly value: T } | null> =>
    deps.storage.read(async (tx) => {
      const space = await tx.space(session.space);
      return space === null ? null : { value: await work(tx, space) };
    });
  const first = await attempt();
  if (first !== null) return first.value;
  await deps.storage.write((tx) => ensureSpace(tx, session.space, { envelope: { now }, newGeneration: deps.newId }));
  const second = await attempt();
  if (second === null) throw new RequestRefused({ status: 503, code: "SERVICE_UNAVAILABLE", message: "the space vanished; try again" });
  return second.value;
}
