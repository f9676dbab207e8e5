import { SyncError } from "@guardian-sync/protocol";
import { isExpiring, sameAccount, type Session } from "../core/session.ts";
import type { Clock } from "../ports/index.ts";
import { withDeadline } from "./deadline.ts";

export type SessionSource = (request: { readonly force: boolean }) => Session | null | Promise<Session | null>;

const SESSION_DEADLINE_MS = 30_000;

/** The current sign-in. One refresh serves everybody who waits for one. */
export class SessionKeeper {
  readonly #source: SessionSource;
  readonly #clock: Clock;
  #current: Session | null = null;
  #refresh: Promise<Session | null> | null = null;
  /** How often the app was asked, and the last of these questions that was answered. */
  #asked = 0;
  #heard = 0;
  #told: Promise<void> = Promise.resolve();
  /** Told after each forced refresh: for `auth_refresh_total`. */
  onRefreshed: (() => void) | undefined;
  /** Told who is signed in, each time the app says so, before anybody acts on it. */
  onSession: ((session: Session | null) => Promise<void>) | undefined;

  constructor(source: SessionSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** The last session seen, expired or not: it still names its account. */
  get last(): Session | null {
    return this.#current;
  }

  /** Asks the app who is signed in; refreshes a token that ends within a minute. */
  async current(): Promise<Session | null> {
    const session = await this.#ask(false);
    if (session !== null && isExpiring(session, this.#clock.now())) return this.refresh();
    return session;
  }

  /** A new token, whatever the old one says. Callers at the same time share one refresh. */
  refresh(): Promise<Session | null> {
    this.#refresh ??= this.#ask(true)
      .then((session) => {
        this.onRefreshed?.();
        return session;
      })
      .finally(() => {
        this.#refresh = null;
      });
    return this.#refresh;
  }

  async #ask(force: boolean): Promise<Session | null> {
    this.#asked += 1;
    const turn = this.#asked;
    const session = await withDeadline(
      this.#clock,
      SESSION_DEADLINE_MS,
      async () => this.#source({ force }),
      () =>
        new SyncError("AUTH_REQUIRED", `The app's session function did not answer within ${SESSION_DEADLINE_MS / 1000} s.`, {
          retryable: true,
        }),
    );
    if (session !== null) checkSession(session);
    // Asked before somebody else signed in, and answered after: it tells who was there, not who is.
    if (turn < this.#heard && !isSame(session, this.#current)) return this.#current;
    this.#heard = Math.max(this.#heard, turn);
    this.#current = session;
    // One after the other, and always of who is there by then: what is still being told of the former one changes nothing any more.
    const told = this.#told.then(() => this.onSession?.(this.#current));
    this.#told = told.catch(() => undefined);
    await told;
    return session;
  }
}

function isSame(a: Session | null, b: Session | null): boolean {
  return a === null || b === null ? a === b : sameAccount(a.account, b.account);
}

function checkSession(session: Session): void {
  const { account, token, expiresAt } = session;
  if (typeof token !== "string" || token === "") throw new TypeError("backend.session returned no token");
  if (typeof account?.space !== "string" || typeof account.principal !== "string" || account.space === "" || account.principal === "") {
    throw new TypeError("backend.session must return account: { space, principal }, both non-empty strings");
  }
  if (expiresAt !== undefined && typeof expiresAt !== "number")
    throw new TypeError("backend.session must return expiresAt in milliseconds since the epoch");
}
