const SCHEME = /^(bearer|basic|dpop|token)\s{1,10}(\S.*)$/is;

/**
 * Enough of a token to recognise it, not to use it: first 4, `...`, last 3 characters; up to 8 characters `***`. A
 * scheme stays: `Bearer eyJh...R8U`.
 */
export function maskToken(token: string): string {
  const text = token.trim();
  const [, scheme, credentials] = SCHEME.exec(text) ?? [];
  if (scheme !== undefined && credentials !== undefined) return `${scheme} ${maskToken(credentials)}`;
  return text.length <= 8 ? "***" : `${text.slice(0, 4)}...${text.slice(-3)}`;
}
