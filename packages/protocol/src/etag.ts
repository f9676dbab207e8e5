const STRONG = /^"v(0|[1-9]\d{0,15})"$/;
// RFC 9110 §8.8.3: etagc is any visible character but the quote.
const ANY_ETAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;

/**
 * The strong validator of a document's version: `7` → `"v7"`.
 * @throws RangeError if `version` is not a safe integer ≥ 0.
 */
export function formatEtag(version: number): string {
  if (!Number.isSafeInteger(version) || version < 0) throw new RangeError(`version must be a whole number >= 0, got ${version}`);
  return `"v${version}"`;
}

/** The version in an ETag that this protocol wrote; weak tags and those of others are not versions. */
export function parseEtag(text: string | null | undefined): number | undefined {
  const match = STRONG.exec(text?.trim() ?? "");
  const version = Number(match?.[1]);
  return match !== null && Number.isSafeInteger(version) ? version : undefined;
}

/** `"*"`: any existing version will do. Otherwise the versions that may be overwritten; none of them may be ours. */
export type IfMatch = "*" | readonly number[];

/**
 * Reads `If-Match` (RFC 9110 §13.1.1). Weak and foreign tags are well-formed but never match, so they vanish: an empty
 * list means 412. Malformed → `undefined`.
 */
export function parseIfMatch(text: string): IfMatch | undefined {
  const trimmed = text.trim();
  if (trimmed === "*") return "*";
  const tags = trimmed.split(",").map((tag) => tag.trim());
  if (tags.length > 100 || !tags.every((tag) => ANY_ETAG.test(tag))) return undefined;
  return tags.map(parseEtag).filter((version) => version !== undefined);
}
