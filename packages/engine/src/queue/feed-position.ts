import type { AccountDetail, FeedPosition } from "../format/index.ts";

/** Nothing was read yet. */
const FEED_BEGIN: FeedPosition = { seq: 0, epoch: 1, loading: {} };

/** The next snapshot replaces what is there: the history began anew, or the position was forgotten. What waits in the queue is kept. */
export function beginAgain({ epoch }: FeedPosition): FeedPosition {
  return { seq: 0, epoch: epoch + 1, loading: {} };
}

/** As a backend needs it that has a feed, or has none. The same object when it fits already. */
export function fitPosition(feed: FeedPosition | undefined, hasFeed: boolean): FeedPosition {
  const isFromAnswers = feed?.fromAnswers === true;
  if (hasFeed) return feed === undefined ? FEED_BEGIN : isFromAnswers ? beginAgain(feed) : feed;
  return isFromAnswers ? feed : { seq: 0, epoch: (feed?.epoch ?? 0) + 1, fromAnswers: true };
}

/** What is applied stays, as acked, until the documents contain it. */
export function awaitsEcho({ feed }: AccountDetail): boolean {
  return feed !== undefined && feed.fromAnswers !== true;
}
