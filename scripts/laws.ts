// The numbered laws of docs/laws.md, and the tests that cite them.

export interface Law {
  readonly id: string;
  readonly title: string;
  /** Why no test cites it, from a `(gap: reason)` anywhere in the law's section. */
  readonly gap?: string;
}

const HEADING = /^###\s+(?<id>[A-Z]{1,3}\d+[a-z]?)\s*(?:—|–|-|:)\s*(?<title>.+)$/;

/** @throws Error if two laws share an id. */
export function parseLaws(markdown: string): readonly Law[] {
  const laws: Law[] = [];
  for (const section of markdown.split(/^(?=#{1,6}\s)/m)) {
    const { id, title } = HEADING.exec(section.split("\n", 1)[0] ?? "")?.groups ?? {};
    if (id === undefined || title === undefined) continue;
    if (laws.some((law) => law.id === id)) throw new Error(`docs/laws.md has two laws ${id}`);
    const gap = /\(gap:\s*(?<reason>[^)]+)\)/.exec(section)?.groups?.reason;
    laws.push({ id, title: title.replace(/\(gap:.*$/, "").trim(), ...(gap === undefined ? {} : { gap }) });
  }
  return laws;
}

/** The law ids that a title begins with: `Q1 …`, `Q1 L2 …`, `Q1, L2: …`. */
export function citedIn(title: string): readonly string[] {
  const start = /^[A-Z]{1,3}\d+[a-z]?(?:[\s,/+&]+[A-Z]{1,3}\d+[a-z]?)*(?=[\s:,—–-]|$)/.exec(title)?.[0] ?? "";
  return start === "" ? [] : start.split(/[\s,/+&]+/);
}

export interface LawReport {
  /** Citations of laws that do not exist: `id` with the test's title. */
  readonly unknown: readonly { readonly id: string; readonly title: string }[];
  readonly untested: readonly Law[];
  /** Marked as a gap though a test cites them. */
  readonly closedGaps: readonly Law[];
  readonly citations: number;
}

/**
 * Holds the laws against the tests that ran. `titles` are the titles of each test with those of the `describe` blocks around it.
 * An id counts as a citation only if its letters are those of some law, so that a title may begin with "V8" or "H2".
 */
export function checkLaws(laws: readonly Law[], titles: readonly (readonly string[])[]): LawReport {
  const letters = new Set(laws.map((law) => law.id.replace(/\d.*$/, "")));
  const known = new Set(laws.map((law) => law.id));
  const cited = new Set<string>();
  const unknown: { id: string; title: string }[] = [];
  let citations = 0;
  for (const title of titles.flat()) {
    for (const id of citedIn(title).filter((one) => letters.has(one.replace(/\d.*$/, "")))) {
      citations += 1;
      if (known.has(id)) cited.add(id);
      else unknown.push({ id, title });
    }
  }
  return {
    unknown,
    untested: laws.filter((law) => !cited.has(law.id)),
    closedGaps: laws.filter((law) => law.gap !== undefined && cited.has(law.id)),
    citations,
  };
}
