const DEFAULT_PORT = 8080;

/** Undefined: `text` is none. */
export function portOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return DEFAULT_PORT;
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}

/** Why the server could not listen, and what to do. Undefined: it is something else. */
export function listenProblem(error: unknown, port: number): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") {
    return `Port ${port} is taken by another program, perhaps by an earlier npm start. Stop that one, or choose another port: PORT=8090 npm start`;
  }
  if (code === "EACCES") return `This user may not listen on port ${port}. Choose one above 1023: PORT=8090 npm start`;
  return undefined;
}
