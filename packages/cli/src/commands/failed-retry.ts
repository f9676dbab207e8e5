import type { FailedChange } from "./failed-change.ts";

export const failedRetry: FailedChange = {
  name: "retry",
  description: "try failed operations again",
  will: "tried again",
  done: "put back into the queue",
  from: ["failed", "parked"],
  hint: "The app sends them when it next looks at its queue: at its next enqueue, reconnect or start.",
  help: `One that was refused goes out under a new key; one whose outcome is unknown goes
out as it was, under the old one, so that it cannot take effect twice.

Examples:
  guardian failed retry 019a7c3e-8f00-7a10-8c2d-3f5b9e6d1a01 --yes
  guardian failed retry --all --dry-run
  guardian failed retry --all --reason "server is fixed" --yes`,
  run: (list, selection) => list.retry(selection),
};
