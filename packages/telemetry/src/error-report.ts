import type { ErrorContext, ErrorReporter } from "./port.ts";
import { redactPayload } from "./redact-payload.ts";
import { redactPii } from "./redact-text.ts";

const MAX_BREADCRUMBS = 20;
const MAX_CAUSES = 5;

/**
 * Stands before Sentry or any other reporter: the error arrives as a redacted copy (name, code, message, stack, causes),
 * the context redacted, with at most the last 20 breadcrumbs. A reporter that throws harms nobody.
 */
export function secureReporter(report: ErrorReporter): ErrorReporter {
  return (error, context) => {
    try {
      const { breadcrumbs = [], ...rest } = context;
      report(redactError(error), redactPayload({ ...rest, breadcrumbs: breadcrumbs.slice(-MAX_BREADCRUMBS) }) as ErrorContext);
    } catch {
      // The report is lost; what it was about was logged.
    }
  };
}

/** A copy of an error that may leave the device. What is not an error is reported by its redacted text. */
export function redactError(error: unknown, depth = 0): Error {
  if (!(error instanceof Error)) return new Error(redactPii(typeof error === "string" ? error : `thrown: ${typeof error}`));
  const copy = new Error(redactPii(error.message));
  copy.name = redactPii(error.name);
  copy.stack = redactPii(error.stack ?? "");
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown };
  if (typeof code === "string" || typeof code === "number")
    Object.assign(copy, { code: typeof code === "string" ? redactPii(code) : code });
  if (cause !== undefined && depth < MAX_CAUSES) copy.cause = redactError(cause, depth + 1);
  return copy;
}
