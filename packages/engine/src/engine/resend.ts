import { faceOf } from "../core/render.ts";
import type { AccountView } from "../queue/account-view.ts";
import type { ChangeSet, RowPatch } from "../queue/change-set.ts";
import type { QueuedOperation } from "../queue/records.ts";

/** One of unknown outcome goes out again because a person says so: the same key, the same bytes, a number at the end of the line. */
export async function resend(view: AccountView, change: ChangeSet, operation: QueuedOperation, patch: RowPatch): Promise<void> {
  const [sealed] = await view.withTexts([operation]);
  const isNumbered = typeof sealed?.text === "string" && faceOf(sealed.text) === "sync";
  // Of a group several go at once, one behind the other.
  const account = change.accountDetail ?? view.detail;
  const opNumber = isNumbered ? account.nextOpNumber : 0;
  change.move(operation, "resend", { attempts: 0, backoffMs: 0, dueAt: 0, opNumber, ...patch });
  if (isNumbered) change.putAccountDetail({ ...account, nextOpNumber: opNumber + 1 });
}
