import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";

export type SqlValue = SQLInputValue;

/** One connection: statements prepared once, write transactions that leave it usable whatever happens inside. */
export class SqliteConnection {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  /** Told when a transaction was taken back: what was remembered of its changes is wrong. */
  onRollback: () => void = () => undefined;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
  }

  run(sql: string, ...values: SqlValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }
  /** `T` is what the statement's columns are; nothing checks it. */
  get<T>(sql: string, ...values: SqlValue[]): T | undefined {
    return this.#statement(sql).get(...values) as T | undefined;
  }
  all<T>(sql: string, ...values: SqlValue[]): T[] {
    return this.#statement(sql).all(...values) as T[];
  }
  exec(sql: string): void {
    this.#db.exec(sql);
  }

  /** On disk when it returns; nothing has happened when it throws. */
  transaction<T>(effect: () => T): T {
    this.#begin.run();
    try {
      const result = effect();
      this.#commit.run();
      return result;
    } catch (error) {
      this.onRollback();
      this.#rollBack();
      throw error;
    }
  }

  /** Several reads of one moment. */
  snapshot<T>(effect: () => T): T {
    // Inside a frozen connection all reads are of one moment.
    if (this.#db.isTransaction) return effect();
    this.#statement("BEGIN").run();
    try {
      return effect();
    } finally {
      this.#rollBack();
    }
  }

  /** Commits inside are whole, but a power cut may take them back. */
  withoutSync<T>(effect: () => T): T {
    this.#db.exec("PRAGMA synchronous = NORMAL");
    try {
      return effect();
    } finally {
      this.#db.exec("PRAGMA synchronous = FULL");
    }
  }

  close(): void {
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #rollBack(): void {
    try {
      // SQLite has rolled back by itself after some errors: a full disk, an I/O error.
      if (this.#db.isTransaction) this.#statement("ROLLBACK").run();
    } catch {
      // What went wrong before says more; a connection that cannot even roll back refuses the next call.
    }
  }
}
