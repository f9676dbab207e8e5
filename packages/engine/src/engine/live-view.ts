import type { JsonObject, OperationId } from "@guardian-sync/protocol";
import { fold, isShown, type LiveOperation, type SyncState } from "../core/fold.ts";
import type { EntityDocument, OperationContent } from "../format/index.ts";
import type { AccountTag, EntityTag, Seq } from "../ports/index.ts";
import { type ChangeSet, stateOfOperation } from "../queue/change-set.ts";
import type { QueuedOperation } from "../queue/records.ts";
import { BrokenOperations } from "./broken-operations.ts";
import type { EngineContext } from "./context.ts";
import type { EntityRef } from "./definitions.ts";
import type { Seen } from "./intake.ts";
import { keepDocuments } from "./keep-documents.ts";
import { liveOf } from "./live-of.ts";
import { allDocuments, allOperations } from "./read-all.ts";

/** One entity as a page shows it: what the server is known to hold, and what waits on top of it. */
export interface EntityView<Document = JsonObject> {
  /** null: there is none, it was deleted, or nothing is known yet (`isLoading`). Not to be changed. */
  readonly value: Document | null;
  readonly syncState: SyncState;
  /** Of the server's document below; null: none is known. */
  readonly version: number | null;
  /** What the backend calls it, where it makes ids of its own; null: it does not, or has not yet. */
  readonly serverId: string | null;
  /** How many operations of this device it shows that the server has not acknowledged. */
  readonly pending: number;
  /** The queue file has not been read yet. */
  readonly isLoading: boolean;
}
export interface ListedEntity<Document = JsonObject> extends EntityView<Document> {
  readonly entityId: string;
}

interface Shown {
  readonly id: OperationId;
  /** Unknown while it is on its way to the disk. */
  readonly seq: Seq | undefined;
  /** As it was made. */
  readonly key: string;
  readonly live: LiveOperation;
}
interface Node {
  readonly ref: EntityRef;
  document: EntityDocument | undefined;
  readonly operations: Map<OperationId, Shown>;
  view: EntityView;
  text: string;
}
/** Who looks at one document, whoever is signed in. */
interface Watch {
  readonly ref: EntityRef;
  readonly listeners: Set<(view: EntityView) => void>;
}
interface List {
  readonly entityType: string;
  readonly listeners: Set<(items: readonly ListedEntity[]) => void>;
  items: readonly ListedEntity[];
}

const LOADING: EntityView = { value: null, syncState: "synced", version: null, serverId: null, pending: 0, isLoading: true };

/**
 * view = fold(snapshot, live operations), kept in memory while somebody looks: read once from the queue file, then kept up with
 * by what this process writes; what another process writes is read again.
 */
export class LiveView {
  readonly #context: EngineContext;
  readonly #account: () => AccountTag;
  readonly #nodes = new Map<EntityTag, Node>();
  readonly #watches = new Map<string, Watch>();
  /** Whose documents the nodes are. */
  #shownAccount: AccountTag | undefined;
  /** Lists that are to be told though nothing in them has changed. */
  readonly #staleTypes = new Set<string>();
  readonly #lists = new Map<string, List>();
  readonly #touched = new Set<Node>();
  readonly #report: (error: unknown) => void;
  /** Told when the first one begins to look, and when the last one has gone. */
  onWatched: (isWatched: boolean) => void = () => undefined;
  /** Operations whose `apply` threw on what they were shown on. */
  readonly broken: BrokenOperations;
  /** Of the account, that what is shown has been brought up to. -1: nothing was read. */
  #revision = -1;
  #loading: Promise<void> | undefined;
  /** Changes that came while the file was read. */
  #missed: { readonly change: ChangeSet; readonly revision: number }[] = [];
  /** Stored while the file was read: the reading may have missed them, and an append moves no revision. */
  readonly #appended = new Set<OperationId>();
  #watchers = 0;

  constructor(context: EngineContext, account: () => AccountTag, report: (error: unknown) => void) {
    this.#context = context;
    this.#account = account;
    this.#report = report;
    this.broken = new BrokenOperations(report);
    context.queue.onChanged.add((change, revision) => this.#onChanged(change, revision));
  }

  get isWatched(): boolean {
    return this.#watchers > 0;
  }

  get(ref: EntityRef): EntityView {
    const account = this.#accountNow();
    return account === undefined ? LOADING : (this.#nodes.get(this.#tagOf(account, ref))?.view ?? LOADING);
  }

  /** For an edit: what its user saw. Undefined: nothing is known of it. */
  seen(ref: EntityRef): Seen | undefined {
    const account = this.#accountNow();
    const node = account === undefined ? undefined : this.#nodes.get(this.#tagOf(account, ref));
    if (node === undefined || node.view.isLoading) return undefined;
    const { value, version } = node.view;
    // The result of the last one on top is what its user sees; the server knows whether it came to that.
    const last = inOrder(node.operations).findLast(({ live }) => isShown(live));
    if (last !== undefined) return { base: { after: last.key }, value };
    return version === null ? undefined : { base: { version }, value };
  }

  list(entityType: string): readonly ListedEntity[] {
    return this.#lists.get(entityType)?.items ?? [];
  }

  /** Tells now, and after every change, until the returned function is called. */
  watch(ref: EntityRef, listener: (view: EntityView) => void): () => void {
    const name = nameOf(ref);
    const watch = this.#watches.get(name) ?? { ref, listeners: new Set() };
    this.#watches.set(name, watch);
    const account = this.#accountNow();
    const node = account === undefined ? undefined : this.#nodeOf(this.#tagOf(account, ref), ref);
    // Nobody is signed in: whoever is next, this one is told.
    if (account === undefined) this.#shownAccount = undefined;
    const own = (view: EntityView): void => listener(view);
    return this.#begin(watch.listeners, own, () => this.#tell(own, node?.view ?? LOADING));
  }

  watchAll(entityType: string, listener: (items: readonly ListedEntity[]) => void): () => void {
    let list = this.#lists.get(entityType);
    if (list === undefined) {
      list = { entityType, listeners: new Set(), items: [] };
      this.#lists.set(entityType, list);
      if (this.#revision >= 0) list.items = this.#itemsOf(list);
    }
    const known = list;
    const own = (items: readonly ListedEntity[]): void => listener(items);
    return this.#begin(known.listeners, own, () => this.#tell(own, known.items));
  }

  /** Resolves when the queue file has been read. */
  async ready(): Promise<void> {
    await (this.#revision < 0 ? this.#load() : this.#loading);
  }

  /** Shows an operation at once, in the same tick; takes it back when it could not be stored. */
  stage(contents: readonly OperationContent[], stored: Promise<readonly Seq[]>): void {
    if (!this.isWatched) return;
    const account = this.#account();
    const put = (seqs: readonly Seq[] | undefined): void => {
      contents.forEach((content, index) => {
        const node = this.#nodeOf(this.#context.queue.entityTag(account, content.entityType, content.entityId), content);
        const known = node.operations.get(content.id);
        // It may have been sealed, or have ended, by the time that its caller hears that it was stored.
        if (seqs !== undefined && known?.live.state !== "storing") return;
        if (seqs !== undefined && this.#loading !== undefined) this.#appended.add(content.id);
        const live = liveOf(this.#context.settings.registry, content, seqs === undefined ? "storing" : "pending");
        node.operations.set(content.id, { id: content.id, seq: seqs?.[index], key: content.key, live });
        this.#touched.add(node);
      });
      this.#flush();
    };
    put(undefined);
    stored.then(put, () => {
      for (const node of this.#nodes.values()) {
        for (const { id } of contents) if (node.operations.delete(id)) this.#touched.add(node);
      }
      this.#flush();
    });
  }

  /** Somebody else wrote, or another account is signed in: what is shown is read again. */
  refresh(): void {
    if (this.isWatched) this.#load().catch(this.#report);
  }

  /** Somebody else signs in, or nobody: what the former one saw is not shown any more, whatever becomes of reading theirs. */
  leaveFor(next: AccountTag | undefined): void {
    if (this.#shownAccount === undefined || this.#shownAccount === next) return;
    this.#nodes.clear();
    this.#touched.clear();
    this.#revision = -1;
    this.#shownAccount = undefined;
    for (const { listeners } of this.#watches.values()) for (const listener of Array.from(listeners)) this.#tell(listener, LOADING);
    for (const list of this.#lists.values()) {
      list.items = [];
      for (const listener of Array.from(list.listeners)) this.#tell(listener, list.items);
    }
  }

  /** Nobody is told anything any more. */
  close(): void {
    for (const { listeners } of [...this.#watches.values(), ...this.#lists.values()]) listeners.clear();
    this.#forget();
  }

  #begin<L>(listeners: Set<L>, own: L, tellNow: () => void): () => void {
    listeners.add(own);
    this.#watchers += 1;
    if (this.#watchers === 1) this.onWatched(true);
    if (this.#revision < 0) this.#load().catch(this.#report);
    tellNow();
    return () => {
      if (!listeners.delete(own)) return;
      this.#watchers -= 1;
      if (this.#watchers > 0) return;
      this.#forget();
      this.onWatched(false);
    };
  }

  #forget(): void {
    this.#nodes.clear();
    this.#watches.clear();
    this.#lists.clear();
    this.#touched.clear();
    this.broken.clear();
    this.#missed = [];
    this.#revision = -1;
  }

  /** Undefined: nobody is signed in. */
  #accountNow(): AccountTag | undefined {
    try {
      return this.#account();
    } catch {
      return undefined;
    }
  }

  #tagOf(account: AccountTag, { entityType, entityId }: EntityRef): EntityTag {
    return this.#context.queue.entityTag(account, entityType, entityId);
  }

  #nodeOf(tag: EntityTag, { entityType, entityId }: EntityRef): Node {
    let node = this.#nodes.get(tag);
    if (node === undefined) {
      const view = this.#revision < 0 ? LOADING : { ...LOADING, isLoading: false };
      node = { ref: { entityType, entityId }, document: undefined, operations: new Map(), view, text: "" };
      this.#nodes.set(tag, node);
    }
    return node;
  }

  #onChanged(change: ChangeSet, revision: number): void {
    if (!this.isWatched) return;
    if (this.#loading !== undefined) {
      this.#missed.push({ change, revision });
      return;
    }
    if (this.#revision < 0 || revision <= this.#revision || change.account !== this.#accountNow()) return;
    // Another process wrote in between.
    if (revision > this.#revision + 1) {
      this.refresh();
      return;
    }
    this.#apply(change, revision);
    this.#flush();
  }

  #apply(change: ChangeSet, revision: number): void {
    this.#revision = revision;
    for (const [tag, document] of change.documents.put) {
      const node = this.#nodeOf(tag, document);
      node.document = document;
      this.#touched.add(node);
    }
    for (const tag of change.documents.dropped) {
      const node = this.#nodes.get(tag);
      if (node === undefined) continue;
      node.document = undefined;
      this.#touched.add(node);
    }
    for (const operation of change.ended) {
      this.broken.ended(operation.content.id);
      const node = this.#nodes.get(operation.entityTag);
      if (node?.operations.delete(operation.content.id) === true) this.#touched.add(node);
    }
    for (const operation of change.changed) this.#show(operation);
  }

  #show(operation: QueuedOperation): void {
    const { content, seq, entityTag, detail } = operation;
    if (!operation.readable && !this.#nodes.has(entityTag)) return;
    const node = this.#nodeOf(entityTag, content);
    this.#touched.add(node);
    // The one that it is folded into shows it.
    if (operation.phase === "folded") {
      node.operations.delete(content.id);
      return;
    }
    const live = liveOf(this.#context.settings.registry, content, stateOfOperation(operation), detail.isEchoed === true);
    // What is written on top of it now was written on top of the last one that is in it.
    const key = detail.edit?.last?.key ?? content.key;
    node.operations.set(content.id, { id: content.id, seq, key, live });
  }

  #load(): Promise<void> {
    this.#loading ??= this.#read().finally(() => {
      this.#loading = undefined;
      this.#appended.clear();
      for (const { change, revision } of this.#missed.splice(0)) this.#onChanged(change, revision);
    });
    return this.#loading;
  }

  async #read(): Promise<void> {
    const { queue } = this.#context;
    for (;;) {
      await queue.appender.settle();
      if (!this.isWatched) return;
      const account = this.#account();
      let view = await queue.view(account);
      if (view.detail.feed === undefined) {
        // A disk that takes nothing now is not a reason to show nothing.
        await keepDocuments(this.#context, account).catch(this.#report);
        view = await queue.view(account);
      }
      this.#missed = [];
      this.#appended.clear();
      const documents = await allDocuments(view);
      const operations = await allOperations(view);
      const after = await queue.opened.store.readAccount(account);
      // Read one by one: when the queue moved meanwhile, the pieces are not of one moment.
      if ((after?.revision ?? 0) !== view.row.revision || account !== this.#account()) continue;
      if (account !== this.#shownAccount) this.#moveTo(account);
      this.#replace(documents, operations, view.row.revision);
      return;
    }
  }

  /** Somebody else is signed in: who looks at one document looks at theirs from now on. */
  #moveTo(account: AccountTag): void {
    this.#shownAccount = account;
    // What is on its way to their own disk stays.
    for (const [tag, node] of this.#nodes) {
      if (tag === this.#tagOf(account, node.ref)) node.text = "";
      else this.#nodes.delete(tag);
    }
    // Every list is told, also of what is not there any more.
    for (const type of this.#lists.keys()) this.#staleTypes.add(type);
    for (const { ref } of this.#watches.values()) this.#touched.add(this.#nodeOf(this.#tagOf(account, ref), ref));
  }

  #replace(documents: ReadonlyMap<EntityTag, EntityDocument>, operations: readonly QueuedOperation[], revision: number): void {
    for (const node of this.#nodes.values()) {
      node.document = undefined;
      for (const { id, live } of Array.from(node.operations.values()))
        if (live.state !== "storing" && !this.#appended.has(id)) node.operations.delete(id);
      this.#touched.add(node);
    }
    this.#revision = revision;
    for (const [tag, document] of documents) {
      const node = this.#nodeOf(tag, document);
      node.document = document;
      this.#touched.add(node);
    }
    for (const operation of operations) this.#show(operation);
    this.#flush();
  }

  /** Tells once, and only about what looks different. */
  #flush(): void {
    const types = new Set<string>(this.#staleTypes);
    this.#staleTypes.clear();
    const changed: Node[] = [];
    for (const node of this.#touched) {
      const view = this.#viewOf(node);
      const text = JSON.stringify(view);
      if (text === node.text) continue;
      node.view = view;
      node.text = text;
      types.add(node.ref.entityType);
      changed.push(node);
    }
    this.#touched.clear();
    for (const { ref, view } of changed) {
      for (const listener of Array.from(this.#watches.get(nameOf(ref))?.listeners ?? [])) this.#tell(listener, view);
    }
    for (const type of types) {
      const list = this.#lists.get(type);
      if (list === undefined) continue;
      list.items = this.#itemsOf(list);
      for (const listener of Array.from(list.listeners)) this.#tell(listener, list.items);
    }
  }

  #viewOf({ document, operations }: Node): EntityView {
    const ordered = inOrder(operations);
    const lives = ordered.map(({ live }) => live);
    const { value, syncState, broken } = fold(document?.data ?? null, lives);
    if (this.#revision >= 0 && this.#shownAccount !== undefined) this.broken.look(this.#shownAccount, ordered, broken);
    const pending = ordered.filter(({ live }) => WAITING.has(live.state)).length;
    return {
      value,
      syncState,
      version: document?.version ?? null,
      serverId: document?.serverId ?? null,
      pending,
      isLoading: this.#revision < 0,
    };
  }

  #itemsOf({ entityType }: List): readonly ListedEntity[] {
    const items: ListedEntity[] = [];
    for (const { ref, view } of this.#nodes.values()) {
      // What failed or conflicts is shown even when nothing of it is left to show.
      if (ref.entityType === entityType && (view.value !== null || view.syncState === "conflict"))
        items.push({ ...view, entityId: ref.entityId });
    }
    return items.sort((a, b) => (a.entityId < b.entityId ? -1 : 1));
  }

  #tell<T>(listener: (value: T) => void, value: T): void {
    try {
      listener(value);
    } catch (error) {
      this.#report(error);
    }
  }
}

/** What is on its way to the disk comes last. */
function inOrder(operations: ReadonlyMap<OperationId, Shown>): readonly Shown[] {
  return Array.from(operations.values()).sort((a, b) => (a.seq ?? Number.POSITIVE_INFINITY) - (b.seq ?? Number.POSITIVE_INFINITY));
}

function nameOf({ entityType, entityId }: EntityRef): string {
  return `${entityType} ${entityId}`;
}

const WAITING: ReadonlySet<LiveOperation["state"]> = new Set<LiveOperation["state"]>(["storing", "pending", "blocked", "sealed"]);
