import type { Json } from "@guardian-sync/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { foundAmong, idInAnswer, referencesIn, replaced, SAME_ID } from "./server-ids.ts";

describe("X9 the id in the answer to a CREATE", () => {
  test.each<[string, Json | undefined, string | undefined, string | undefined]>([
    ["is a member of its document", { id: "s1" }, "/api/v1/notes/s2", "s1"],
    ["may be a number", { id: 17 }, undefined, "17"],
    ["or the end of Location", {}, "https://api.example/notes/a%20b?x=1", "a b"],
    ["which may be broken", undefined, "/notes/%zz", "%zz"],
    ["is not guessed", { name: "a" }, undefined, undefined],
    ["nor empty", { id: "" }, "/notes/", undefined],
    ["nor half a number", { id: 1.5 }, undefined, undefined],
    ["nor inherited", {}, undefined, undefined],
  ])("%s", (_what, data, location, id) => {
    expect(idInAnswer(data, location, "id")).toBe(id);
  });
});

describe("X9 references", () => {
  const payload = { folder_id: "t1", tags: ["t1"], author: { id: "t2" }, parts: [{ note: "t1" }, { note: "x" }], title: "t1" };
  const references = { folder_id: "folder", "author.id": "user", "parts.note": "note", tags: "tag", missing: "folder" };

  test("are replaced where they were declared, in lists and inside objects, and nowhere else", () => {
    expect(replaced(payload, references, (type, id) => `${type}:${id}`)).toEqual({
      folder_id: "folder:t1",
      tags: ["tag:t1"],
      author: { id: "user:t2" },
      parts: [{ note: "note:t1" }, { note: "note:x" }],
      title: "t1",
    });
    expect(referencesIn(payload, { folder_id: "folder", "parts.note": "note" })).toEqual([
      { entityType: "folder", entityId: "t1" },
      { entityType: "note", entityId: "t1" },
      { entityType: "note", entityId: "x" },
    ]);
  });

  test("that stand for themselves change nothing, whatever the payload is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(replaced(value as Json, references, SAME_ID)).toEqual(value);
      }),
    );
  });
});

describe("X1 X9 a document that an unanswered CREATE may have made", () => {
  const sent = { title: "a", done: false };
  test.each<[string, Json, string | undefined]>([
    [
      "is the one that holds all that was sent",
      [
        { id: 1, title: "b" },
        { id: 2, title: "a", done: false, at: 5 },
      ],
      "2",
    ],
    ["also in an envelope", { data: { items: [{ id: "s", ...sent }] } }, "s"],
    ["is not one that lacks a part", [{ id: 1, title: "a" }], undefined],
    ["is not in an answer of another shape", { id: "s", ...sent }, undefined],
  ])("%s", (_what, answer, id) => {
    expect(foundAmong(answer, sent, "id")).toBe(id);
  });
});
