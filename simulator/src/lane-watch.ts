import type { HttpRequest } from "guardian-sync/testing";
import type { Report } from "./model.ts";
import { isOpsRequest, operationsOf, orderingOf } from "./wire.ts";

/**
 * INV3 on the way out: a lane is in at most one request that has no answer yet, and a request in global order travels alone. INV8: no
 * more requests at once than the app allows. INV10: what depends on an operation never travels beside it.
 */
export class LaneWatch {
  readonly #report: Report;
  readonly #concurrency: number;
  /** Requests of each process that have no answer, and the lanes that are in them. */
  readonly #underWay = new Map<string, Map<HttpRequest, ReadonlySet<string>>>();

  constructor(report: Report, concurrency: number) {
    this.#report = report;
    this.#concurrency = concurrency;
  }

  sent(process: string, request: HttpRequest): void {
    if (!isOpsRequest(request)) return;
    const underWay = this.#underWay.get(process) ?? new Map<HttpRequest, ReadonlySet<string>>();
    this.#underWay.set(process, underWay);
    const isGlobal = orderingOf(request) === "global";
    if (underWay.size > 0 && (isGlobal || Array.from(underWay.keys()).some((other) => orderingOf(other) === "global")))
      this.#report("INV3", `${process} sends a batch in global order beside another`);
    if (underWay.size >= this.#concurrency) this.#report("INV8", `${process} has ${underWay.size + 1} batches under way`);
    const lanes = new Set(
      operationsOf(request).flatMap(({ entity_type, entity_id, lane }) => [
        `${entity_type} ${entity_id}`,
        ...(lane === undefined ? [] : [`lane ${lane}`]),
      ]),
    );
    const keys = new Set(operationsOf(request).map(({ key }) => key));
    const beside = new Set(Array.from(underWay.keys()).flatMap((other) => operationsOf(other).map(({ key }) => key)));
    for (const { key, depends_on: parents = [] } of operationsOf(request)) {
      const parent = parents.find((one) => beside.has(one) && !keys.has(one));
      if (parent !== undefined) this.#report("INV10", `${process} sends ${key} beside ${parent}, on which it depends`);
    }
    for (const others of underWay.values()) {
      for (const lane of lanes) if (others.has(lane)) this.#report("INV3", `${process} sends ${lane} while it is in another request`);
    }
    underWay.set(request, lanes);
  }

  ended(process: string, request: HttpRequest): void {
    this.#underWay.get(process)?.delete(request);
  }
}
