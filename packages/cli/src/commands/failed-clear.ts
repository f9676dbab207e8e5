import type { FailedChange } from "./failed-change.ts";

export const failedClear: FailedChange = {
  name: "clear",
  description: "empty the failed list into the archive",
  will: "moved to the archive",
  done: "moved to the archive",
  from: ["failed", "parked"],
  help: `Nothing is deleted: \`guardian failed list --archived\` shows them,
\`guardian failed restore\` brings them back.

Examples:
  guardian failed clear --all --dry-run
  guardian failed clear --all --reason "sorted out by support" --yes`,
  run: (list, selection) => list.clear(selection),
};
