import type { FailedChange } from "./failed-change.ts";

export const failedRestore: FailedChange = {
  name: "restore",
  description: "bring archived operations back to the failed list",
  will: "brought back to the failed list",
  done: "brought back to the failed list",
  from: ["archived"],
  help: `Examples:
  guardian failed list --archived
  guardian failed restore 019a7c3e-8f00-7a10-8c2d-3f5b9e6d1a01 --yes
  guardian failed restore --all --yes`,
  run: (list, selection) => list.restore(selection),
};
