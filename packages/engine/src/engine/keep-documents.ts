import type { Capabilities } from "../core/handshake.ts";
import type { AccountTag } from "../ports/index.ts";
import { fitPosition } from "../queue/feed-position.ts";
import type { EngineContext } from "./context.ts";

/**
 * From its first call on the account's documents are kept for somebody who looks: what is acknowledged later stays in the view until
 * its echo. Before the first handshake a feed is taken for granted; the handshake corrects that before anything is sent.
 */
export async function keepDocuments({ queue }: Pick<EngineContext, "queue">, account: AccountTag): Promise<void> {
  await queue.change(account, undefined, ({ detail }, change) => {
    if (detail.feed !== undefined) return;
    const { feed: hasFeed = true } = (detail.handshake as Capabilities | undefined) ?? {};
    change.putAccountDetail({ ...detail, feed: fitPosition(undefined, hasFeed) });
  });
}
