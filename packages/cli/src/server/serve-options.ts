import { readFileSync } from "node:fs";
import type { JwtAuthOptions } from "@guardian-sync/server";
import { CliError, usageError } from "../exit.ts";

export interface ServeOptions {
  readonly port: number;
  readonly host: string;
  readonly data: string;
  readonly dev?: boolean;
  readonly jwtIssuer?: string;
  readonly jwtAudience?: string;
  readonly jwtJwks?: string;
  readonly jwtKeyFile?: string;
  readonly jwtAlgorithms?: string;
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** Undefined: development tokens. @throws CliError that names what is missing. */
export function jwtOptionsOf(options: ServeOptions): JwtAuthOptions | undefined {
  const { dev, host, jwtIssuer, jwtAudience, jwtJwks, jwtKeyFile } = options;
  const given = [jwtIssuer, jwtAudience, jwtJwks, jwtKeyFile, options.jwtAlgorithms].some((value) => value !== undefined);
  if (dev === true) {
    if (given) throw usageError("--dev and --jwt-… exclude each other: with --dev anybody gets a token.");
    if (!isLoopback(host))
      throw usageError(`--dev hands out tokens to whoever asks, so it listens on this machine only; --host ${host} is not.`);
    return undefined;
  }
  const missing = [
    ...(jwtIssuer === undefined ? ["--jwt-issuer"] : []),
    ...(jwtAudience === undefined ? ["--jwt-audience"] : []),
    ...(jwtJwks === undefined && jwtKeyFile === undefined ? ["--jwt-jwks (or --jwt-key-file)"] : []),
  ];
  if (missing.length > 0) {
    throw usageError(
      `Who may sign in? Missing: ${missing.join(", ")}. Or --dev, for development on this machine: it hands out tokens to whoever asks.`,
    );
  }
  const key = jwtKeyFile === undefined ? undefined : readKey(jwtKeyFile);
  const standard = key instanceof Uint8Array ? "HS256" : "RS256";
  return {
    issuer: jwtIssuer as string,
    audience: jwtAudience as string,
    algorithms: (options.jwtAlgorithms ?? standard).split(",").map((name) => name.trim()),
    ...(key === undefined ? { jwks: jwtJwks as string } : { key }),
  };
}

/** A JWK when it is JSON, otherwise the bytes of a secret. */
function readKey(file: string): NonNullable<JwtAuthOptions["key"]> {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new CliError(`--jwt-key-file ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown reason"}).`);
  }
  if (!text.startsWith("{")) {
    if (text.length < 32) throw new CliError(`--jwt-key-file ${file}: a secret must have at least 32 characters.`);
    return new TextEncoder().encode(text);
  }
  try {
    return JSON.parse(text) as NonNullable<JwtAuthOptions["key"]>;
  } catch {
    throw new CliError(`--jwt-key-file ${file} is no JSON, so no JWK either.`);
  }
}
