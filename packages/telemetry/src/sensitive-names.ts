/** The names of fields whose values are never shown, in snake_case. */
export const SENSITIVE_FIELD_NAMES = [
  "password",
  "passwd",
  "secret",
  "token",
  "access_token",
  "refresh_token",
  "auth_token",
  "api_key",
  "authorization",
  "cookie",
  "credit_card",
  "cvv",
  "pin",
  "ssn",
] as const;

const EXACT: ReadonlySet<string> = new Set<string>([
  ...SENSITIVE_FIELD_NAMES.map((name) => name.replaceAll("_", "")),
  "pwd",
  "passphrase",
  "credentials",
  "privatekey",
  "cardnumber",
  "setcookie",
]);
/** Also as the last word of a longer name: `client_secret`, `idToken`, `X-Api-Key`. */
const LAST_WORDS: readonly string[] = ["password", "passwd", "secret", "token", "apikey", "authorization", "cookie"];
/** Tokens that open nothing: they name transactions and pages, and must stay readable. */
const HARMLESS: ReadonlySet<string> = new Set(["txntoken", "pagetoken", "nextpagetoken"]);

const MAX_NAME_CHARS = 200;

/** Whether a field of this name is never shown, in whatever case and spelling: `apiKey`, `API_KEY`, `api-key`. */
export function isSensitiveName(name: string): boolean {
  const squashed = squash(name);
  if (EXACT.has(squashed)) return true;
  return !HARMLESS.has(squashed) && LAST_WORDS.some((word) => squashed.endsWith(word));
}

const PHONE_NAME = /(?:phone|mobile|telephone|fax)(?:number|no)?$/;
/** Whether digits in a field of this name are a phone number, however they are written. */
export function isPhoneName(name: string): boolean {
  return PHONE_NAME.test(squash(name));
}

function squash(name: string): string {
  return name
    .slice(-MAX_NAME_CHARS)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "");
}
