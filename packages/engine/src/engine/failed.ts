import { isJsonObject, type JsonObject, SyncError } from "@guardian-sync/protocol";
import type { State } from "../core/lifecycle.ts";
import { holdsEntity } from "../core/holds-entity.ts";
import { restOf } from "../core/overtaken.ts";
import { type Edit, type HistoryEntry, MAX_HISTORY } from "../format/index.ts";
import type { AccountTag, Phase, Seq } from "../ports/index.ts";
import type { AccountView } from "../queue/account-view.ts";
import { currentKey, type QueuedOperation } from "../queue/records.ts";
import { type DeskContext, factsOf, nowOf } from "./context.ts";
import { isMeant, type KeptFilter, keptOf, type KeptOperation } from "./kept.ts";
import { membersOf } from "./members.ts";
import { statusInQueue } from "./outcome-of.ts";
import { letGoBehind, takeBack } from "./cancel.ts";
import { resend } from "./resend.ts";
import { type Page, pageOf } from "./page.ts";
import { finishReleases, release } from "./releasing.ts";

export interface Selection extends KeptFilter {
  readonly ids?: readonly string[];
  readonly all?: boolean;
  /** Recorded in the operation's history. */
  readonly reason?: string;
}

const AT_ONCE = 100;
const FAILED: readonly Phase[] = ["failed", "parked"];
const ALL: readonly Phase[] = ["failed", "parked", "archived", "conflict", "quarantined"];
const STAYS: ReadonlySet<string> = new Set(["failed", "parked", "archived", "conflict", "quarantined"]);
const WAITING: ReadonlySet<string> = new Set(["pending", "ready", "blocked"]);
const MAX_EVENT_CHARS = 200;

/** The operations that failed or were parked, and what a person can do about them. Nothing here loses one without a record. */
export class FailedList {
  readonly #context: DeskContext;
  readonly #account: () => AccountTag;
  readonly #wake: () => void;
  /** A hold had more operations behind it than one transaction lets go. */
  #unfinished = false;

  constructor(context: DeskContext, account: () => AccountTag, wake: () => void) {
    this.#context = context;
    this.#account = account;
    this.#wake = wake;
  }

  async list(page: Page & KeptFilter = {}, phases: readonly Phase[] = FAILED): Promise<readonly KeptOperation[]> {
    const { after, limit } = pageOf(page);
    const view = await this.#context.queue.view(this.#account());
    const found: KeptOperation[] = [];
    for (let from = after; ; ) {
      const read = await view.inPhase(phases, from, limit);
      found.push(...read.filter((operation) => isMeant(operation, page, nowOf(this.#context))).map(keptOf));
      const last = read.at(-1);
      if (last === undefined || read.length < limit || found.length >= limit) return found.slice(0, limit);
      from = last.seq;
    }
  }

  /**
   * Tries again. After a definite rejection with a new key, which names the old one, and without the fields that later edits have set
   * since: when nothing is left, it settles as superseded. Of unknown outcome with the old key and the same bytes. Of what could not be
   * read only what can be by now. Of a group all are tried again, or none while one of them cannot be. Resolves with how many were dealt
   * with.
   */
  retry(selection: Selection): Promise<number> {
    return this.#each(
      withQuarantined(selection),
      selection,
      async (operation, { view, change, later }) => {
        const now = nowOf(this.#context);
        if (operation.phase === "quarantined" && !(await isReadable(view, operation))) return false;
        // A group is tried as it was made.
        const isWhole = operation.row?.packId || operation.content.groupId !== undefined;
        const rest = isWhole ? ({ kind: "all" } as const) : restOf(operation.content, operation.detail.overtaken);
        if (rest.kind === "nothing") {
          change.move(operation, "supersede", { receipt: { outcome: "superseded" } });
          if (!(await release(view, change, operation))) this.#unfinished = true;
          later.push(() => this.#tellSuperseded(operation));
          return true;
        }
        const oldKey = currentKey(operation);
        const { lastError: _error, code: _code, status: _status, rejected: _rejected, overtaken: _overtaken, ...kept } = operation.detail;
        const history = this.#history(operation, "retried", selection, oldKey);
        if (operation.row?.packId) {
          await resend(view, change, operation, { firstSendAt: now, detail: { ...kept, history } });
        } else {
          const edit = rest.kind === "some" ? { edit: without(operation, rest.payload) } : {};
          const key = this.#context.queue.newUuid();
          const detail = { ...kept, ...edit, history, key, supersedes: [...(kept.supersedes ?? []), oldKey] };
          change.move(operation, "manual_retry", { attempts: 0, backoffMs: 0, dueAt: 0, firstSendAt: 0, detail });
        }
        if (!(await release(view, change, operation))) this.#unfinished = true;
        return true;
      },
      { isWhole: true },
    );
  }

  /** Puts aside, with everything kept. */
  archive(selection: Selection): Promise<number> {
    return this.#each(withQuarantined(selection), selection, async (operation, { view, change }) => {
      const history = this.#history(operation, "archived", selection);
      const archivedFrom = operation.phase as "failed" | "parked" | "quarantined";
      change.move(operation, "archive", { detail: { ...operation.detail, history, archivedFrom } });
      if (!(await release(view, change, operation))) this.#unfinished = true;
      return true;
    });
  }

  /** The same as `archive`: clearing a list never destroys what a user wrote. */
  clear(selection: Selection): Promise<number> {
    return this.archive(selection);
  }

  /** Back from the archive to where it came from. */
  restore(selection: Selection): Promise<number> {
    return this.#each(["archived"], selection, async (operation, { view, change }) => {
      const from = operation.detail.archivedFrom ?? "failed";
      const { archivedFrom: _from, ...rest } = operation.detail;
      const detail = { ...rest, history: this.#history(operation, "restored", selection) };
      change.move(operation, `restore_${from}`, { detail });
      await this.#holdAgain(operation, from, view, change);
      return true;
    });
  }

  /** For good, by a person's decision: a receipt of it stays. */
  discard(selection: Selection, phases: readonly Phase[] = ALL): Promise<number> {
    return this.#each(
      phases,
      selection,
      async (operation, { view, change, later }) => {
        const isWaiting = WAITING.has(operation.phase);
        // A member of the group that waits: a copy of it may be under way, and then only a marker stops that.
        if (isWaiting && !(await takeBack(this.#context, view, change, operation, "its group was discarded"))) return false;
        if (!isWaiting) {
          change.move(operation, "discard", { receipt: { outcome: "cancelled", code: "CANCELLED" } });
          if (!(await release(view, change, operation))) this.#unfinished = true;
        }
        later.push(() => {
          const told = { ...statusInQueue(operation), state: "cancelled" as const };
          this.#context.watchers.tell(operation.content.id, {
            ...told,
            settled: told.settled ?? { verdict: "cancelled", code: "CANCELLED" },
          });
          this.#context.events.emit({ type: "cancelled", operation: factsOf(operation) });
        });
        return true;
      },
      { alsoIn: WAITING },
    );
  }

  /** How many operations a selection means now; what would be done to them is not done. */
  async count(selection: Selection, phases: readonly Phase[] = FAILED): Promise<number> {
    return (await this.#choose(phases, selection)).length;
  }

  /** One operation that is kept, whatever its state; undefined when there is none of this id, or it still waits. */
  async find(id: string): Promise<KeptOperation | undefined> {
    const found = await (await this.#context.queue.view(this.#account())).byId(id);
    return found !== undefined && "operation" in found && STAYS.has(found.operation.phase) ? keptOf(found.operation) : undefined;
  }

  #tellSuperseded(operation: QueuedOperation): void {
    const { events, watchers } = this.#context;
    const outcome = "superseded";
    events.emit({ type: "succeeded", operation: factsOf(operation), outcome, replayed: false, processingMs: 0 });
    watchers.tell(operation.content.id, { ...statusInQueue(operation), state: outcome, lastError: null, settled: { verdict: outcome } });
  }

  #history({ detail }: QueuedOperation, event: string, { reason }: Selection, key?: string): readonly HistoryEntry[] {
    const text = reason === undefined ? event : `${event}: ${reason}`.slice(0, MAX_EVENT_CHARS);
    const entry = { at: nowOf(this.#context), event: text, ...(key === undefined ? {} : { key }) };
    return [...(detail.history ?? []), entry].slice(-MAX_HISTORY);
  }

  async #holdAgain(
    operation: QueuedOperation,
    state: State,
    view: Parameters<typeof release>[0],
    change: Parameters<typeof release>[1],
  ): Promise<void> {
    if (!holdsEntity(state, operation.content.type)) return;
    change.hold(operation, (await view.lanes([operation.entityTag])).get(operation.entityTag));
  }

  /** What `act` puts off is called when its change is on disk; only then does anybody look for what there is to do. */
  async #each(
    phases: readonly Phase[],
    selection: Selection,
    act: (
      operation: QueuedOperation,
      at: {
        readonly view: Parameters<typeof release>[0];
        readonly change: Parameters<typeof release>[1];
        readonly later: (() => void)[];
      },
      // Whether it was dealt with; `false`: it stays as it is.
    ) => Promise<boolean>,
    group: {
      /** Members of its group that are in one of these go with it. */
      readonly alsoIn?: ReadonlySet<string>;
      /** Not unless all of its group can. */
      readonly isWhole?: boolean;
    } = {},
  ): Promise<number> {
    const { queue } = this.#context;
    const account = this.#account();
    const chosen = await this.#choose(phases, selection);
    let done = 0;
    // One transaction each: a list of a million never waits in memory, and one that cannot move does not stop the rest.
    for (const seq of chosen) {
      let moved = 0;
      let later: (() => void)[] = [];
      await queue.change(account, undefined, async (view, change) => {
        moved = 0;
        later = [];
        const [operation] = await view.bySeq([seq]);
        if (operation === undefined || operation.phase === "pending" || !phases.includes(operation.phase)) return;
        const members = await membersOf(view, operation);
        if (group.isWhole === true && members.some(({ phase }) => STAYS.has(phase) && !phases.includes(phase as Phase))) return;
        const chosenToo = members.filter(({ phase }) => group.alsoIn?.has(phase) === true || phases.includes(phase as Phase));
        if (await letGoBehind(view, change, chosenToo)) this.#unfinished = true;
        for (const member of chosenToo) if (await act(change.after(member), { view, change, later })) moved += 1;
      });
      if (moved === 0) continue;
      done += moved;
      for (const tell of later) tell();
      this.#wake();
    }
    if (this.#unfinished) {
      this.#unfinished = false;
      await finishReleases(this.#context, account);
      // A processor that looked in between found them still held, and went to rest.
      this.#wake();
    }
    return done;
  }

  async #choose(phases: readonly Phase[], selection: Selection): Promise<readonly Seq[]> {
    const { ids, all } = selection;
    if (ids === undefined && all !== true)
      throw new SyncError("INVALID_OPERATION", "Say which: { ids: […] } or { all: true }. Nothing was changed.");
    const wanted = ids === undefined ? undefined : new Set(ids);
    const chosen: Seq[] = [];
    let after: Seq | 0 = 0;
    for (;;) {
      const view = await this.#context.queue.view(this.#account());
      const page = await view.inPhase(phases, after, AT_ONCE);
      for (const operation of page) {
        const isChosen = wanted === undefined || wanted.has(operation.content.id);
        if (isChosen && isMeant(operation, selection, nowOf(this.#context))) chosen.push(operation.seq);
      }
      const last: QueuedOperation | undefined = page.at(-1);
      if (last === undefined || page.length < AT_ONCE) return chosen;
      after = last.seq;
    }
  }
}

/** What cannot be read is meant only by name: `all` is what `list` shows. */
function withQuarantined({ ids }: Selection): readonly Phase[] {
  return ids === undefined ? FAILED : [...FAILED, "quarantined"];
}

async function isReadable(view: AccountView, operation: QueuedOperation): Promise<boolean> {
  if (!operation.readable) return false;
  const [sealed] = operation.row?.packId ? await view.withTexts([operation]) : [];
  return sealed === undefined || sealed.text !== null;
}

/** What is left of it, on the same condition. */
function without({ content, detail }: QueuedOperation, payload: JsonObject): Edit {
  const { base, before } = content;
  const type = detail.edit?.type;
  return {
    ...(type === undefined ? {} : { type }),
    payload,
    ...(isJsonObject(before)
      ? { before: Object.fromEntries(Object.entries(before).filter(([name]) => Object.hasOwn(payload, name))) }
      : {}),
    ...(base === undefined ? {} : { base }),
  };
}
