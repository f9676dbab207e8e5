import type { AccountTag } from "../ports/index.ts";
import { type DeskContext, nowOf } from "./context.ts";

export interface Pause {
  readonly reason: string;
  /** `engine`, or who it was. */
  readonly by: string;
}

/** Holds an account's processing back until it is lifted, across restarts. Durable on return. */
export async function putPause(context: DeskContext, account: AccountTag, { reason, by }: Pause): Promise<void> {
  if (typeof reason !== "string" || reason === "")
    throw new TypeError("pause needs a reason: it is shown to whoever wonders why nothing is sent");
  await context.queue.change(account, undefined, (view, change) => {
    change.putAccountDetail({ ...view.detail, pause: { reason, by, at: nowOf(context) } });
  });
  context.events.emit({ type: "paused", reason, by: "operator" });
}

/**
 * Lifts a pause that `isMeant`. Resolves with it, or with undefined when there was none. A person who goes on after a fall of the
 * backend accepts what it offers now; a restart does not: it compares again.
 */
export async function liftPause(
  context: DeskContext,
  account: AccountTag,
  isMeant: (pause: Pause) => boolean = () => true,
  who: "person" | "restart" = "person",
): Promise<Pause | undefined> {
  let lifted: Pause | undefined;
  await context.queue.change(account, undefined, (view, change) => {
    lifted = undefined;
    const { pause, handshake, ...detail } = view.detail;
    if (pause === undefined || !isMeant(pause)) return;
    lifted = pause;
    const accepts = who === "person" && pause.reason === "backend_changed";
    change.putAccountDetail(accepts || handshake === undefined ? detail : { ...detail, handshake });
  });
  if (lifted !== undefined) context.events.emit({ type: "resumed", by: lifted.by === "engine" ? "engine" : "operator" });
  return lifted;
}
