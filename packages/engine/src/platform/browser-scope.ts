interface Happening {
  readonly type: string;
  readonly persisted?: boolean;
}
interface Listening {
  addEventListener(type: string, listener: (event: Happening) => void): void;
  removeEventListener(type: string, listener: (event: Happening) => void): void;
}

/** What the engine uses of a window or a worker. Spelt out, because these declarations must serve programs without DOM types. */
export interface BrowserScope extends Partial<Listening> {
  readonly navigator?: { readonly onLine?: boolean };
  /** Absent in workers. */
  readonly document?: Listening & { readonly visibilityState: string };
}

/** Calls `listener` until the returned function is called. */
export function listen(to: Partial<Listening>, type: string, listener: (event: Happening) => void): () => void {
  to.addEventListener?.(type, listener);
  return () => to.removeEventListener?.(type, listener);
}
