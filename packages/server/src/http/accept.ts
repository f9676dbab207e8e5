/** Whether an `Accept` header prefers problem+json to plain JSON (RFC 9110 §12.5.1, as far as two types need it). */
import { PROBLEM_CONTENT_TYPE } from "@guardian-sync/protocol";

export function prefersProblem(accept: string | undefined): boolean {
  if (accept === undefined || accept.length > 1000) return false;
  const problem = qualityOf(accept, [PROBLEM_CONTENT_TYPE]);
  return problem > 0 && problem > qualityOf(accept, ["application/json", "application/*", "*/*"]);
}

/** The highest quality given to the first of `types` that is named. */
function qualityOf(accept: string, types: readonly string[]): number {
  const ranges = accept.split(",").map((range) => {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith("q="));
    const quality = q === undefined ? 1 : Number(q.slice(2));
    return { type, quality: Number.isFinite(quality) ? quality : 0 };
  });
  for (const type of types) {
    const named = ranges.filter((range) => range.type === type);
    if (named.length > 0) return Math.max(...named.map(({ quality }) => quality));
  }
  return 0;
}
