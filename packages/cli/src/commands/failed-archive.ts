import type { FailedChange } from "./failed-change.ts";

export const failedArchive: FailedChange = {
  name: "archive",
  description: "put old failed operations aside (default: those older than 30 days)",
  will: "archived",
  done: "archived",
  from: ["failed", "parked"],
  defaultOlderThan: "30d",
  help: `Nothing is deleted: \`guardian failed restore\` brings them back.

Examples:
  guardian failed archive --dry-run
  guardian failed archive --older-than 90d --yes`,
  run: (list, selection) => list.archive(selection),
};
