import { WHEN_NOTICED } from "../queue/hint.ts";
import type { FailedChange } from "./failed-change.ts";

export const failedRetry: FailedChange = {
  name: "retry",
  description: "try failed operations again",
  will: "tried again",
  done: "put back into the queue",
  from: ["failed", "parked"],
  hint: WHEN_NOTICED,
  help: `One that was refused goes out under a new key; one whose outcome is unknown goes
out as it was, under the old one, so that it cannot take effect twice.

Examples:
  guardian failed retry 019a7c3e-8f00-7a10-8c2d-3f5b9e6d1a01 --yes
  guardian failed retry --all --dry-run
  guardian failed retry --all --reason "server is fixed" --yes`,
  run: (list, selection) => list.retry(selection),
};
