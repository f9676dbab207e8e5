import type { Json } from "@guardian-sync/protocol";
import { Fields } from "./fields.ts";

/** How far the change feed was read. There is none before somebody looked at the view for the first time. */
export interface FeedPosition {
  /** Opaque; asked with next. Absent: the first snapshot has not begun. */
  readonly cursor?: string;
  /** Everything up to this number is contained in the documents. 0: nothing yet. */
  readonly seq: number;
  /** Documents of an older one were not named by the snapshot that made this one. */
  readonly epoch: number;
  /** The backend has no feed: the documents are what it answered to this device's own writes. */
  readonly fromAnswers?: true;
  /** A snapshot is being read: where it goes on, and from where changes are replayed when it is complete. */
  readonly loading?: { readonly page?: string; readonly cursor?: string };
}

/** What the queue file remembers of one account. Lives encrypted in its row; fields that a later version wrote are kept. */
export interface AccountDetail {
  readonly space: string;
  readonly principal: string;
  /** UUID v4, made with the account's row; "" before that. */
  readonly clientId: string;
  /** The number of the next operation that is sealed under global ordering. */
  readonly nextOpNumber: number;
  /** The last handshake, as the server answered it. */
  readonly handshake?: Json;
  /** Server time minus local time. Absent: never measured. */
  readonly clockOffsetMs?: number;
  /** A standing pause; it survives restarts. `at` in epoch ms. */
  readonly pause?: { readonly reason: string; readonly by: string; readonly at: number };
  readonly feed?: FeedPosition;
}

/** The value as it stands, with every unknown field. @throws SyncError `UNREADABLE` when a known field has another type. */
export function parseAccountDetail(value: Json): AccountDetail {
  const fields = new Fields(value, "The detail of an account");
  for (const name of ["space", "principal", "clientId"]) fields.text(name);
  fields.number("nextOpNumber");
  fields.optional("clockOffsetMs", "number");
  fields.optional("pause", "object");
  fields.optional("feed", "object");
  return value as unknown as AccountDetail;
}

export function encodeAccountDetail(detail: AccountDetail): Json {
  return detail as unknown as Json;
}
