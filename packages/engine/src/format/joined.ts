/**
 * Several texts as one, such that different lists never give the same text: each as its length in UTF-16 units, a colon,
 * itself. What is hashed or authenticated together is joined by this.
 */
export function joined(parts: readonly string[]): string {
  let text = "";
  for (const part of parts) text += `${part.length}:${part}`;
  return text;
}
