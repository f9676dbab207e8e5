const NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

/** Runs `tidy` when the process is told to end, then ends it as the signal would have. Returns the end of that. */
export function onEnd(tidy: () => Promise<unknown>): () => void {
  const listeners = (Object.keys(NUMBERS) as (keyof typeof NUMBERS)[]).map((signal) => {
    const listener = (): void => {
      void tidy().finally(() => process.exit(128 + NUMBERS[signal]));
    };
    process.once(signal, listener);
    return [signal, listener] as const;
  });
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
}
