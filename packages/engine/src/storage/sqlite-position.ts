import { SyncError } from "@guardian-sync/protocol";
import type { Seq } from "../ports/index.ts";

/**
 * Segments and states are kept by `position` = account number · 2^40 + seq: rows of one account lie together in order of seq,
 * without an index beside the table. 13 + 40 bits fit into the 53 of a double.
 */
const SEQS_PER_ACCOUNT = 2 ** 40;
const MAX_ACCOUNTS = 2 ** 13 - 1;

export function positionOf(accountNo: number, seq: number): number {
  return accountNo * SEQS_PER_ACCOUNT + seq;
}
export function seqOf(position: number): Seq {
  return (position % SEQS_PER_ACCOUNT) as Seq;
}
/** The greatest position of the account, or of `upTo` when that is smaller. */
export function lastPosition(accountNo: number, upTo: number = SEQS_PER_ACCOUNT): number {
  return positionOf(accountNo, Math.min(upTo, SEQS_PER_ACCOUNT - 1));
}

/** @throws SyncError `STORAGE_FULL`: at 1,000 operations a second, after 34 years. */
export function checkSeqsLeft(nextSeq: number, path: string): void {
  if (nextSeq > SEQS_PER_ACCOUNT) {
    throw new SyncError("STORAGE_FULL", `The queue file ${path} has used all of its ${SEQS_PER_ACCOUNT} positions. Start a new file.`);
  }
}
export function checkAccountsLeft(accountNo: number, path: string): void {
  if (accountNo > MAX_ACCOUNTS) {
    throw new SyncError(
      "STORAGE_FULL",
      `The queue file ${path} holds ${MAX_ACCOUNTS} accounts, and no more fit. Give other accounts another file.`,
    );
  }
}
