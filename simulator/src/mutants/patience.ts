import { type Mutant, transportLike } from "./mutant.ts";

export const ignoresRetryAfter: Mutant = {
  name: "ignores Retry-After",
  wrong: "a server that asks for time is asked again by the usual backoff",
  transport: (inner) =>
    transportLike(inner, async (request) => {
      const answer = await inner.exchange(request);
      if (answer.kind !== "answer") return answer;
      const { "retry-after": _wait, ...headers } = answer.headers;
      return { ...answer, headers };
    }),
};
