/** What a page measures: one library, or IndexedDB itself. */
export interface Subject {
  /** Opens the queue `name`, and makes it when there is none. Nothing goes out before `send`; then it goes to `origin`. */
  open(name: string, origin: string): Promise<Queue>;
}

export interface Queue {
  /** Resolves when the library says that the operation is stored. */
  add(index: number): Promise<void>;
  /** Several in one call. Left out: there is no such call, and `add` is called for each, at once. */
  addMany?(from: number, count: number): Promise<void>;
  /** `count` operations, as fast as can be, where `addMany` and `add` would take minutes. Not timed. */
  fill?(from: number, count: number): Promise<void>;
  /** Sends what waits; resolves when nothing does. Left out: the library sends nothing. */
  send?(): Promise<void>;
  /** How many operations the database holds. */
  stored(): Promise<number>;
  close(): Promise<void>;
}
