/** How a command ends. */
export const EXIT = { ok: 0, failure: 1, usage: 2, unhealthy: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A mistake of the user, or something that a person can do about: told in words, never with a stack. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;
  /** For machines; stable. */
  readonly code: string;

  constructor(
    message: string,
    { exitCode = EXIT.failure, code = "FAILED" }: { readonly exitCode?: ExitCode; readonly code?: string } = {},
  ) {
    super(message);
    this.exitCode = exitCode;
    this.code = code;
  }
}

export function usageError(message: string): CliError {
  return new CliError(message, { exitCode: EXIT.usage, code: "USAGE" });
}
