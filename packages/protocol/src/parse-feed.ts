import { count, flag, listOf, name, objectOf, oneOf } from "./checks.ts";
import { inspectDocument } from "./inspect-json.ts";
import { isJsonObject } from "./json.ts";
import { MAX_PAGE_ITEMS } from "./limits.ts";
import type { Change, ChangeKind, ChangesPage, OwnProgress, SnapshotPage, SnapshotRow } from "./messages.ts";
import { accept, border, type Check, type Parsed, refuse } from "./parsed.ts";

const kind: Check<ChangeKind> = /* @__PURE__ */ oneOf(["put", "del", "drop"]);
/** Opaque, and as long as its server likes; it comes back in a URL. */
const cursor: Check<string> = (value, path) =>
  typeof value === "string" && value.length >= 1 && value.length <= 4096
    ? accept(value)
    : refuse(path, "must be a string of 1 to 4096 characters");

const origin: Check<Change["origin"]> = /* @__PURE__ */ objectOf((members) =>
  members.done({
    client_id: members.may("client_id", name).client_id ?? null,
    operation_id: members.may("operation_id", name).operation_id ?? null,
  }),
);

const change: Check<Change> = /* @__PURE__ */ objectOf((members) => {
  const op = members.need("op", kind);
  const data = op === "put" ? members.need("data", inspectDocument) : (members.may("data", inspectDocument).data ?? null);
  return members.done({
    seq: members.need("seq", count),
    txn: members.need("txn", count),
    op,
    entity_type: members.need("entity_type", name),
    entity_id: members.need("entity_id", name),
    version: members.need("version", count),
    data,
    origin: isJsonObject(members.raw("origin")) ? members.need("origin", origin) : NO_ORIGIN,
  });
});
const NO_ORIGIN: Change["origin"] = { client_id: null, operation_id: null };

const changesPage: Check<ChangesPage> = /* @__PURE__ */ objectOf((members) => {
  const fromSeq = members.need("from_seq", count);
  const toSeq = members.need("to_seq", count);
  const changes = members.need("changes", listOf(change, MAX_PAGE_ITEMS));
  const page = members.done({
    from_seq: fromSeq,
    to_seq: toSeq,
    head_seq: members.need("head_seq", count),
    generation: members.need("generation", name),
    cursor: members.need("cursor", cursor),
    has_more: members.need("has_more", flag),
    complete: members.need("complete", flag),
    changes,
  });
  return page.ok ? inOrder(page.value, members.path("changes")) : page;
});

/** Holes are fine (compaction leaves them); going back, or out of the page's own range, is not. */
function inOrder(page: ChangesPage, path: string): Parsed<ChangesPage> {
  if (page.to_seq < page.from_seq) return refuse(path, "must not end before they begin");
  let last = page.from_seq;
  for (const [i, { seq }] of page.changes.entries()) {
    if (seq <= last) return refuse(`${path}[${i}].seq`, "must be greater than the one before it");
    last = seq;
  }
  return last > page.to_seq ? refuse(path, "must not go beyond to_seq") : accept(page);
}

const snapshotRow: Check<SnapshotRow> = /* @__PURE__ */ objectOf((members) =>
  members.done({
    entity_type: members.need("entity_type", name),
    entity_id: members.need("entity_id", name),
    version: members.need("version", count),
    seq: members.need("seq", count),
    data: members.need("data", inspectDocument),
  }),
);

const ownProgress: Check<OwnProgress> = /* @__PURE__ */ objectOf((members) =>
  members.done({ client_id: members.need("client_id", name), op_number: members.need("op_number", count) }),
);

const snapshotPage: Check<SnapshotPage> = /* @__PURE__ */ objectOf((members) =>
  members.done({
    generation: members.need("generation", name),
    ...members.may("as_of", count),
    ...members.may("until", count),
    cursor: members.need("cursor", cursor),
    ...members.may("next_page", cursor),
    ...members.may("own", ownProgress),
    items: members.need("items", listOf(snapshotRow, MAX_PAGE_ITEMS)),
  }),
);

/**
 * Reads the data of `GET /api/v1/sync/changes`. That `from_seq` is the caller's own cursor is for the caller to check:
 * a page that starts elsewhere is well-formed but belongs to another question.
 */
export function parseChangesPage(value: unknown, path = ""): Parsed<ChangesPage> {
  return border(value, path, changesPage);
}
/** Reads the data of `GET /api/v1/sync/snapshot`. */
export function parseSnapshotPage(value: unknown, path = ""): Parsed<SnapshotPage> {
  return border(value, path, snapshotPage);
}
