import { redactEmails } from "./redact-emails.ts";
import { redactNumbers } from "./redact-numbers.ts";
import { redactSecrets } from "./redact-secrets.ts";

/**
 * A text without e-mail addresses, phone numbers, payment cards, social security numbers, tokens, and values that follow
 * a sensitive name. UUIDs, times, versions and figures survive. Never throws; takes time in proportion to the text.
 */
export function redactPii(text: string): string {
  return typeof text === "string" ? redactNumbers(redactEmails(redactSecrets(text))) : "";
}
