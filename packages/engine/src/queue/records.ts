import type { Edit, OperationContent, StateDetail } from "../format/index.ts";
import type { EntityTag, Phase, Seq, StateRow } from "../ports/index.ts";

/** One operation as the processor sees it: immutable content, and where it stands. */
export interface QueuedOperation {
  readonly seq: Seq;
  readonly entityTag: EntityTag;
  readonly content: OperationContent;
  /** false: the content does not authenticate, and `content` only stands in for it. */
  readonly readable: boolean;
  /** `pending`: no state row, at or beyond the head of the global lane. */
  readonly phase: "pending" | Phase;
  readonly row: StateRow | null;
  readonly detail: StateDetail;
}

/** The key that the operation travels under now: the one made at enqueue, unless a definite "not applied" ended it. */
export function currentKey(operation: QueuedOperation): string {
  return operation.detail.key ?? operation.content.key;
}

/** Under an earlier key: a copy of that request may still arrive. */
export function wasSent({ detail }: QueuedOperation): boolean {
  return (detail.supersedes?.length ?? 0) > 0;
}

/** A sealed operation together with the bytes that every try sends. */
export interface SealedRecord {
  readonly operation: QueuedOperation;
  /** null: the bytes do not authenticate, or are not those that were sealed. */
  readonly text: string | null;
  /** A request with these bytes may have gone out before: found sealed counts as sent. */
  readonly sentBefore: boolean;
}

/** A sealed operation that can be sent. */
export interface SendableRecord extends SealedRecord {
  readonly text: string;
}

export function isSendable(record: SealedRecord): record is SendableRecord {
  return record.text !== null && record.operation.readable;
}

/** Sealed under global ordering, for the sync face. */
export function isNumbered({ operation }: Pick<SealedRecord, "operation">): boolean {
  return (operation.row?.opNumber ?? 0) > 0;
}

/** What a merge, or folding, made of it. Where it is shown, rendered or compared, that counts. */
export function editedContent(content: OperationContent, edit: Edit | undefined): OperationContent {
  if (edit === undefined) return content;
  const { base: _base, before: _before, ...rest } = content;
  return {
    ...rest,
    ...(edit.type === undefined ? {} : { type: edit.type }),
    payload: edit.payload,
    ...(edit.before === undefined ? {} : { before: edit.before }),
    ...(edit.base === undefined ? {} : { base: edit.base }),
  };
}
