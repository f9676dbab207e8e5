import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const page = read("../../../../docs/how-to/browser-troubles.md");
const sources = ["indexeddb-errors.ts", "indexeddb-keys.ts", "key-ring-web.ts"].map((file) => read(file)).join("\n");

/** A sentence to the person ends with a full stop. */
const quoted = [...page.matchAll(/“([^”]+\.)”/g)].map(([, text = ""]) => text);

describe("docs/how-to/browser-troubles.md", () => {
  test.each(quoted)("quotes “%s” as it is", (text) => {
    expect(sources).toContain(`"${text}"`);
  });

  test("leaves out nothing that a person may read", () => {
    const spoken = [
      ...sources.matchAll(
        /"((?:Your browser|This browser|The browser|There is|This page|The data|This app|What this app|A newer|The changes)[^"]+\.)"/g,
      ),
    ];
    const missing = spoken.map(([, text = ""]) => text).filter((text) => !quoted.includes(text));
    expect([quoted.length, missing]).toEqual([spoken.length, []]);
  });
});
