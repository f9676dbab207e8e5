import type { AccountView } from "./account-view.ts";
import type { ChangeSet } from "./change-set.ts";

/** Whatever ends an operation ends, in the same transaction, what was folded into it. At most `MAX_MEMBERS` of each. */
export async function endMembers(view: AccountView, change: ChangeSet): Promise<void> {
  for (const leader of change.leaders) {
    for (const member of await view.foldedInto(leader.operation.seq)) change.endMember(member, leader);
  }
}
