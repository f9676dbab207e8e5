export { type AccountDetail, type FeedPosition, encodeAccountDetail, parseAccountDetail } from "./account-detail.ts";
export { encodeDocument, type EntityDocument, parseDocument } from "./document.ts";
export { encodeContent, type OperationContent, parseContent } from "./content.ts";
export {
  ALGORITHMS,
  encodeEnvelope,
  ENVELOPE_OVERHEAD_BYTES,
  KEY_ID_BYTES,
  NONCE_BYTES,
  parseEnvelope,
  TAG_BYTES,
} from "./envelope.ts";
export { hexOf, parseHex } from "./hex.ts";
export { decodeReceipts, encodeReceipts, type Receipt } from "./receipt.ts";
export { openJson, type RecordPlace, sealJson } from "./record.ts";
export { openSealed, packSealed } from "./sealed.ts";
export { openSegment, packSegment } from "./segment.ts";
export {
  type DetailConflict,
  type Edit,
  encodeStateDetail,
  type HistoryEntry,
  MAX_HISTORY,
  parseStateDetail,
  type StateDetail,
} from "./state-detail.ts";
export { accountTag, entityTag } from "./tags.ts";
export { utf8Decode, utf8Encode } from "./utf8.ts";
export { plainKeyRing } from "./plain-key-ring.ts";
export { openTagKey, sealTagKey, TAG_KEY_BYTES } from "./tag-key.ts";
export { unreadable } from "./unreadable.ts";
