import type { MaybePromise } from "../ports/index.ts";

/** Goes on with `goOn` at once when the value is here, so that synchronous key rings cost no turn of the event loop. */
export function after<T, U>(value: MaybePromise<T>, goOn: (value: T) => U): MaybePromise<U> {
  return value instanceof Promise ? value.then(goOn) : goOn(value);
}
