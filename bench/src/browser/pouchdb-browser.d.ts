/** The part of it that is measured: its own types bring those of another Node. */
declare module "pouchdb-browser" {
  export default class PouchDB {
    constructor(name: string);
    info(): Promise<{ readonly doc_count: number }>;
    put(doc: object): Promise<unknown>;
    bulkDocs(docs: readonly object[]): Promise<readonly object[]>;
    readonly replicate: { to(target: string): Promise<{ readonly ok: boolean; readonly docs_written: number }> };
    close(): Promise<void>;
  }
}
