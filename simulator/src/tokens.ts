import { TOKEN_CANARY } from "./canary-watch.ts";
import type { Account } from "./model.ts";

/** Sign-ins: tokens that name their account and can be ended from outside. */
export class Tokens {
  readonly #accounts: readonly Account[];
  readonly #serials: number[];

  constructor(accounts: readonly Account[]) {
    this.#accounts = accounts;
    this.#serials = accounts.map(() => 1);
  }

  issue(account: Account): string {
    const index = this.#accounts.indexOf(account);
    return `${TOKEN_CANARY}-${index}-${this.#serials[index] ?? 0}`;
  }

  /** Tokens issued before are refused from now on. */
  endAll(account: Account): void {
    const index = this.#accounts.indexOf(account);
    this.#serials[index] = (this.#serials[index] ?? 0) + 1;
  }

  /** Whose token it is or was. */
  owner(token: string): Account | null {
    const [name, index] = token.split("-");
    return name === TOKEN_CANARY ? (this.#accounts[Number(index)] ?? null) : null;
  }

  /** Whom the server takes its bearer for. */
  read(token: string): Account | null {
    const [, index, serial] = token.split("-");
    return Number(serial) === this.#serials[Number(index)] ? this.owner(token) : null;
  }
}
