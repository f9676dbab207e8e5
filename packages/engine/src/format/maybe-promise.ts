import type { MaybePromise } from "../ports/index.ts";

/** Goes on with `next` at once when the value is here, so that synchronous key rings cost no turn of the event loop. */
export function after<T, U>(value: MaybePromise<T>, next: (value: T) => U): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
