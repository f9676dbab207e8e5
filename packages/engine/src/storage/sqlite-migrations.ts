/** The tables of a queue file. docs/reference/formats.md says what each column means. */
export interface Migration {
  /** The format that the file has afterwards: `PRAGMA user_version`. */
  readonly to: number;
  readonly sql: string;
}

/** `GSyn`: marks the file as a queue of ours (`PRAGMA application_id`). */
export const APPLICATION_ID = 0x4753796e;

/** Numbered from 1, applied in order, each in the transaction that opens the file. Never changed once released: added to. */
export const MIGRATIONS: readonly Migration[] = [
  {
    to: 1,
    sql: `
      CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

      CREATE TABLE accounts (
        account_no INTEGER PRIMARY KEY,
        account TEXT NOT NULL UNIQUE,
        revision INTEGER NOT NULL,
        next_seq INTEGER NOT NULL,
        counted INTEGER NOT NULL,
        enqueued INTEGER NOT NULL,
        pending INTEGER NOT NULL,
        sealed INTEGER NOT NULL,
        succeeded INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        parked INTEGER NOT NULL,
        archived INTEGER NOT NULL,
        conflict INTEGER NOT NULL,
        cancelled INTEGER NOT NULL,
        quarantined INTEGER NOT NULL
      ) STRICT;
      -- Apart from the counters: it is long, and a row is rewritten whole.
      CREATE TABLE account_details (account_no INTEGER PRIMARY KEY, detail BLOB NOT NULL) STRICT;

      -- No second index: each would be one more page to write for every enqueued operation.
      CREATE TABLE segments (
        position INTEGER PRIMARY KEY,
        segment_id TEXT NOT NULL,
        count INTEGER NOT NULL,
        total INTEGER NOT NULL,
        id_min TEXT NOT NULL,
        id_max TEXT NOT NULL,
        id_high TEXT NOT NULL,
        disorder INTEGER NOT NULL,
        entity_tags TEXT NOT NULL,
        body BLOB NOT NULL
      ) STRICT;
      -- Apart from the segments: settling a part must not rewrite all of the content.
      CREATE TABLE segment_lives (position INTEGER PRIMARY KEY, live INTEGER NOT NULL) STRICT;

      CREATE TABLE states (
        position INTEGER PRIMARY KEY,
        phase TEXT NOT NULL,
        entity_tag TEXT NOT NULL,
        blocked_by INTEGER NOT NULL,
        due_at REAL NOT NULL,
        attempts INTEGER NOT NULL,
        backoff_ms REAL NOT NULL,
        first_send_at REAL NOT NULL,
        op_number INTEGER NOT NULL,
        pack_id TEXT,
        pack_index INTEGER NOT NULL,
        changed_at REAL NOT NULL,
        detail BLOB
      ) STRICT;
      CREATE INDEX states_by_phase ON states (phase);
      CREATE INDEX states_by_entity ON states (entity_tag);
      CREATE INDEX states_by_blocker ON states (blocked_by) WHERE blocked_by > 0;

      CREATE TABLE packs (pack_id TEXT PRIMARY KEY, live INTEGER NOT NULL, body BLOB NOT NULL) STRICT;

      CREATE TABLE lanes (
        account_no INTEGER NOT NULL,
        lane TEXT NOT NULL,
        head INTEGER NOT NULL,
        due_at REAL NOT NULL,
        failures INTEGER NOT NULL,
        blocked_by INTEGER NOT NULL,
        PRIMARY KEY (account_no, lane)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE entities (
        account_no INTEGER NOT NULL,
        entity_tag TEXT NOT NULL,
        version INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,
        chain_from INTEGER NOT NULL,
        body BLOB,
        PRIMARY KEY (account_no, entity_tag)
      ) STRICT;

      CREATE TABLE receipts (
        receipt_no INTEGER PRIMARY KEY,
        account_no INTEGER NOT NULL,
        seq_level INTEGER NOT NULL,
        seq_min INTEGER NOT NULL,
        seq_max INTEGER NOT NULL,
        id_level INTEGER NOT NULL,
        id_point INTEGER NOT NULL,
        id_min TEXT NOT NULL,
        id_max TEXT NOT NULL,
        settled_at REAL NOT NULL,
        body BLOB NOT NULL
      ) STRICT;
      CREATE INDEX receipts_by_seq ON receipts (account_no, seq_level, seq_min);
      CREATE INDEX receipts_by_id ON receipts (account_no, id_level, id_point);
      CREATE INDEX receipts_by_age ON receipts (settled_at);

      CREATE TABLE processing_lock (
        slot INTEGER PRIMARY KEY CHECK (slot = 1),
        owner TEXT NOT NULL,
        fence INTEGER NOT NULL,
        lease_id TEXT NOT NULL,
        acquired_at REAL NOT NULL,
        heartbeat_at REAL NOT NULL,
        beats INTEGER NOT NULL,
        holds_fast_lock INTEGER NOT NULL,
        released INTEGER NOT NULL
      ) STRICT;
    `,
  },
];

/** What this version writes, and the newest that it reads. */
export const FORMAT_VERSION: number = MIGRATIONS.reduce((newest, { to }) => Math.max(newest, to), 0);
