import type { NewSegments, Seqs } from "./gated-store.ts";
import type { Account, Enqueued, Report } from "./model.ts";
import { contentOf, type SeenOperation, type SeenResult } from "./wire.ts";

/** Where an operation ended, as the engine tells it after everything came to rest. */
export interface FinalState {
  readonly state: string;
  readonly code: string | null;
  readonly verdict: string | null;
}

/** Answers that explain why something that succeeded left no change: it was so already, or somebody else's doing made it so. */
const DONE_BEFORE = /^(?:noop|applied_before|conflict) |^rejected (?:404|410)$/;

/** INV1, INV2 and INV3: what became of every operation, and what it did, how often and in which order. */
export class OperationsWatch {
  /** In the order of the calls. */
  readonly all: Enqueued[] = [];
  readonly #byId = new Map<string, Enqueued>();
  readonly #report: Report;
  readonly #isGlobal: boolean;
  readonly #bySeq = new Map<string, Enqueued>();
  /** The largest seq that had an effect, per queue, and per entity and explicit lane of a queue. */
  readonly #lastSeq = new Map<string, number>();
  readonly #contents = new Map<string, string>();
  /** Operations on each device's disk, by account tag: what its counter `enqueued` has to say. */
  readonly #durable = new Map<string, Map<string, number>>();
  #effects = 0;
  readonly #nextSeq = new Map<string, number>();
  readonly #ofEntity = new Map<string, readonly Enqueued[]>();
  readonly #byMarker = new Map<string, Enqueued>();
  readonly #members = new Map<Enqueued, readonly Enqueued[]>();
  /** Have ended on their disk: what is seen for the first time from here on is another one. */
  readonly #settled = new Set<Enqueued>();

  /** `isGlobal`: one order for the whole queue, not only for each entity and each lane. */
  constructor(report: Report, isGlobal = true) {
    this.#report = report;
    this.#isGlobal = isGlobal;
  }

  enqueued(
    facts: Omit<
      Enqueued,
      | "call"
      | "account"
      | "stored"
      | "seq"
      | "into"
      | "withdrawn"
      | "heldBack"
      | "verdict"
      | "touched"
      | "meddled"
      | "watched"
      | "group"
      | "parents"
      | "effectOrder"
      | "effectCommit"
      | "keys"
      | "answers"
      | "effects"
      | "effectVersion"
    >,
  ): Enqueued {
    const record: Enqueued = {
      ...facts,
      call: this.all.length,
      account: null,
      stored: "waiting",
      seq: null,
      into: null,
      withdrawn: false,
      heldBack: false,
      verdict: null,
      touched: false,
      meddled: false,
      watched: false,
      group: [],
      parents: [],
      effectOrder: 0,
      effectCommit: 0,
      keys: new Set(),
      answers: new Set(),
      effects: 0,
      effectVersion: null,
    };
    this.all.push(record);
    this.#ofEntity.set(record.entityId, [...this.ofEntity(record.entityId), record]);
    if (record.marker !== "") this.#byMarker.set(record.marker, record);
    if (record.id !== null) this.#byId.set(record.id, record);
    return record;
  }

  /** The author has been told the name of what it enqueued. */
  named(record: Enqueued, id: string): void {
    if (record.id !== null && record.id !== id) this.#report("INV1", `operation ${record.id} is called ${id} by its handle`);
    record.id = id;
    this.#byId.set(id, record);
  }

  /** On the disk from now on. What one process calls for comes there in the order of its calls. */
  appended(device: string, process: string, segments: NewSegments, seqs: Seqs, ownerOf: (tag: string) => Account | null): void {
    for (const [index, { account, idMin, idMax, count }] of segments.entries()) {
      const first = seqs[index] as number;
      const waiting = this.all.filter(
        (record) => record.process === process && record.seq === null && (record.stored === "waiting" || record.stored === "stored"),
      );
      const members = waiting.slice(0, count);
      if (members.length < count)
        this.#report("INV1", `${process} wrote ${count} operations, of which ${members.length} had been enqueued`);
      for (const [offset, member] of members.entries()) {
        member.seq = first + offset;
        member.account = ownerOf(account);
        this.#bySeq.set(`${device} ${first + offset}`, member);
        if (member.id !== null && (member.id < idMin || member.id > idMax))
          this.#report("INV1", `operation ${member.id} was written out of its turn`);
      }
      if (members[0]?.id === null) this.named(members[0], idMin);
      const last = members[count - 1];
      if (last?.id === null) this.named(last, idMax);
      const counts = this.#durable.get(device) ?? new Map<string, number>();
      this.#durable.set(device, counts);
      counts.set(account, (counts.get(account) ?? 0) + count);
      this.#nextSeq.set(device, Math.max(this.nextSeq(device), first + count));
    }
  }

  /** It travels with another one from here on. */
  folded(device: string, seq: number, intoSeq: number): void {
    const [record, into] = [this.#bySeq.get(`${device} ${seq}`), this.#bySeq.get(`${device} ${intoSeq}`)];
    if (record === undefined || into === undefined || record.into === into) return;
    const facts = `operation ${record.id ?? record.call} (seq ${seq}) is folded into ${into.id ?? into.call} (seq ${intoSeq})`;
    if (record.into !== null) this.#report("INV2", `${facts}, and into another one before`);
    if (record.keys.size > 0) this.#report("INV2", `${facts}, though it was sent`);
    if (into.keys.size > 0) this.#report("INV2", `${facts}, which was sent before`);
    if (record.entityId !== into.entityId || record.account !== into.account)
      this.#report("INV2", `${facts}, which is about something else`);
    record.into = into;
    this.#members.set(into, [...(this.#members.get(into) ?? []), record]);
  }

  /** They have ended on the disk, sent or not. */
  settled(device: string, { from, to }: { readonly from: number; readonly to: number }): void {
    for (let seq = from; seq <= to; seq++) {
      const record = this.#bySeq.get(`${device} ${seq}`);
      if (record !== undefined) this.#settled.add(record);
    }
  }

  /** Operations that were folded into others. */
  get foldedCount(): number {
    return this.all.filter(({ into }) => into !== null).length;
  }

  /** It waits for another operation of its entity: from here on others may overtake it. */
  heldBack(device: string, seq: number): void {
    const record = this.#bySeq.get(`${device} ${seq}`);
    if (record !== undefined) record.heldBack = true;
  }

  withdrawn(record: Enqueued): void {
    for (const member of asked(record)) {
      member.withdrawn = true;
      if (member.effects > 0) this.#report("INV2", `operation ${member.id} had taken effect and was cancelled for certain`);
    }
  }

  /** A person had it tried again. */
  touched(id: string): void {
    const record = this.#byId.get(id);
    for (const member of record === undefined ? [] : asked(record)) member.touched = true;
  }

  /** Nobody hears any more what its calls came to. */
  died(process: string): void {
    for (const record of this.all) {
      if (record.process !== process || record.stored !== "waiting") continue;
      record.stored = "unheard";
    }
  }

  /** Everything that anybody wanted done to it, in the order of the calls. */
  ofEntity(entityId: string): readonly Enqueued[] {
    return this.#ofEntity.get(entityId) ?? [];
  }
  withMarker(marker: string): Enqueued | undefined {
    return this.#byMarker.get(marker);
  }
  /** From here on what a device shows of its additions may rightly be less than they are. */
  meddleWith(device: string): void {
    for (const record of this.all) if (record.device === device && record.by !== 0) record.meddled = true;
  }

  withId(id: string): Enqueued | undefined {
    return this.#byId.get(id);
  }

  nextSeq(device: string): number {
    return this.#nextSeq.get(device) ?? 1;
  }
  durableCount(device: string, accountTag: string): number {
    return this.#durable.get(device)?.get(accountTag) ?? 0;
  }

  seenOnWire(process: string, account: Account | null, operations: readonly SeenOperation[]): void {
    for (const operation of operations) {
      const record = this.#byId.get(operation.operation_id) ?? this.#recognised(process, operation);
      if (record === undefined) {
        this.#report("INV2", `${process} sends operation ${operation.operation_id}, which nobody enqueued`);
        continue;
      }
      const unnamed = [...record.keys].find((key) => key !== operation.key && operation.supersedes?.includes(key) !== true);
      if (unnamed !== undefined) {
        // A copy of what was sent under the old key may still be on its way (law X1).
        this.#report(
          "INV2",
          `operation ${operation.operation_id} was sent under a new key that does not name the one it was sent under before`,
        );
      }
      record.keys.add(operation.key);
      if (account !== null && account !== record.account) {
        this.#report(
          "INV2",
          `${process} sends operation ${operation.operation_id} of ${record.account?.principal ?? "nobody"} as ${account.principal}`,
        );
      }
      const content = contentOf(operation);
      if (content === "") continue;
      const before = this.#contents.get(operation.key);
      if (before === undefined) this.#contents.set(operation.key, content);
      else if (before !== content) this.#report("INV2", `operation ${record.id} was sent again under its key with another content`);
    }
  }

  /** An operation whose author died before it was told its name. */
  #recognised(process: string, { operation_id, type, entity_id, payload }: SeenOperation): Enqueued | undefined {
    const device = process.split(".")[0];
    const text = JSON.stringify(payload);
    const isSaid = ({ marker, type: made }: Enqueued): boolean => (marker === "" ? made === type : text.includes(marker));
    const record = this.all.find(
      (candidate) =>
        candidate.id === null &&
        candidate.seq !== null &&
        candidate.into === null &&
        !this.#settled.has(candidate) &&
        candidate.device === device &&
        candidate.entityId === entity_id &&
        (this.#members.get(candidate)?.some(isSaid) === true || (candidate.type === type && isSaid(candidate))),
    );
    if (record !== undefined) this.named(record, operation_id);
    return record;
  }

  answered(operations: readonly SeenOperation[], results: readonly SeenResult[]): void {
    for (const { key, outcome, status } of results) {
      const operation = operations.find((candidate) => candidate.key === key);
      if (operation !== undefined) this.#byId.get(operation.operation_id)?.answers.add(`${outcome} ${status}`);
    }
  }

  /** A change that the server committed. */
  effect(operationId: string | null, version: number | null = null, commit = 0): Enqueued | undefined {
    const record = operationId === null ? undefined : this.#byId.get(operationId);
    if (record === undefined) {
      this.#report("INV2", `the server committed an effect of operation ${operationId ?? "(none)"}, which nobody enqueued`);
      return undefined;
    }
    if (record.into !== null) this.#report("INV2", `operation ${record.id} took effect by itself, and is folded into ${record.into.id}`);
    this.#effects += 1;
    // The effect of one is that of all that are in it.
    for (const one of [record, ...(this.#members.get(record) ?? [])]) {
      one.effects += 1;
      one.effectVersion = version;
      one.effectOrder = this.#effects;
      one.effectCommit = commit;
    }
    if (record.group.some(({ effectCommit }) => effectCommit !== 0 && effectCommit !== commit))
      this.#report("INV10", `the group of operation ${record.id} took effect in two parts`);
    const { id, effects, seq, device, account, touched } = record;
    if (effects > 1) this.#report("INV2", `operation ${id} took effect ${effects} times`);
    if (record.withdrawn) this.#report("INV2", `operation ${id} was cancelled for certain and took effect`);
    if (record.stored === "refused") this.#report("INV2", `operation ${id} was refused by the queue and took effect`);
    if (seq === null || touched) return record;
    const queue = `${device} ${account?.principal ?? ""}`;
    const entity = `${queue} ${record.entityType} ${record.entityId}`;
    const last = this.#lastSeq.get(queue) ?? 0;
    const lastOfEntity = this.#lastSeq.get(entity) ?? 0;
    if (seq < lastOfEntity) this.#report("INV3", `operation ${id} (seq ${seq}) took effect after seq ${lastOfEntity} of the same entity`);
    else if (seq < last && !record.heldBack && this.#isGlobal)
      this.#report("INV3", `operation ${id} (seq ${seq}) took effect after seq ${last} of the same queue`);
    if (record.lane !== null) {
      const lane = `${queue} lane ${record.lane}`;
      const lastOfLane = this.#lastSeq.get(lane) ?? 0;
      if (seq < lastOfLane && !record.heldBack)
        this.#report("INV3", `operation ${id} (seq ${seq}) took effect after seq ${lastOfLane} of the same lane`);
      this.#lastSeq.set(lane, Math.max(lastOfLane, seq));
    }
    this.#lastSeq.set(queue, Math.max(last, seq));
    this.#lastSeq.set(entity, Math.max(lastOfEntity, seq));
    return record;
  }

  /** Everything has come to rest: what the engine says of an operation against what the world saw. */
  judge(record: Enqueued, final: FinalState): void {
    const { id, seq, stored, effects, type, into } = record;
    const { answers } = into ?? record;
    const facts = `operation ${id} (${type}, seq ${seq ?? "none"}, ${stored})`;
    if (seq === null) {
      if (stored === "stored") this.#report("INV1", `${facts} was acknowledged and never reached the disk`);
      if (effects > 0) this.#report("INV2", `${facts} never reached the disk and took effect`);
      return;
    }
    if (stored === "refused") this.#report("INV1", `${facts} was refused and is in the queue all the same`);
    const { state, code, verdict } = final;
    const says = `${facts} is ${state}${code === null ? "" : ` (${code})`}`;
    switch (state) {
      case "unknown":
        this.#report("INV1", `${facts} was acknowledged, and the engine knows nothing of it`);
        return;
      case "applied":
      case "acked":
        if (effects === 0 && (record.by !== 0 || ![...answers].some((answer) => DONE_BEFORE.test(answer)))) {
          this.#report("INV2", `${says} and took no effect`);
        }
        return;
      case "quarantined":
        this.#report("INV1", `${says}, though nothing damaged the disk`);
        return;
      case "parked":
      case "failed":
      case "archived":
        if (effects > 0 && code !== "OUTCOME_UNKNOWN") this.#report("INV2", `${says} and took effect`);
        return;
      case "conflict":
      case "cancelled":
      case "pending":
      case "blocked":
        if (effects > 0) this.#report("INV2", `${says} and took effect`);
        return;
      case "superseded":
        // Its CREATE and its DELETE met before anybody had heard of it.
        if (record.keys.size > 0 && !record.touched) this.#report("INV2", `${says}, though it was sent`);
        if (effects > 0) this.#report("INV2", `${says} and took effect`);
        return;
      case "folded":
        if (into === null) this.#report("INV2", `${says}, and nobody saw into which`);
        return;
      case "sealed":
        return;
      default:
        this.#report("INV1", `${says}: a state that nobody defined (verdict ${verdict ?? "none"})`);
    }
  }

  /** What was asked for together, or one after the other, against what the server did. */
  judgeTogether(record: Enqueued, final: FinalState): void {
    const { id, effects, group, parents, touched, effectOrder } = record;
    const wasSo = [...record.answers].some((answer) => DONE_BEFORE.test(answer));
    const isApplied = final.state === "applied" || final.state === "acked";
    if (effects === 0 && !(isApplied && wasSo) && group.some((member) => member.effects > 0))
      this.#report("INV10", `operation ${id} is ${final.state} without effect, and another member of its group took effect`);
    if (effects === 0 || touched) return;
    for (const parent of parents) {
      // What is folded has the answers of the one that it is in.
      const { answers } = parent.into ?? parent;
      const isDone = parent.effects > 0 || [...answers].some((answer) => DONE_BEFORE.test(answer));
      if (!isDone) this.#report("INV10", `operation ${id} took effect without operation ${parent.id}, which it depends on`);
      else if (parent.effects > 0 && parent.effectOrder > effectOrder && !parent.touched)
        this.#report("INV10", `operation ${id} took effect before operation ${parent.id}, which it depends on`);
    }
  }

  /** Two verdicts of one operation must not contradict each other, unless a person asked again. */
  judgeVerdict(record: Enqueued, final: FinalState): void {
    const { id, verdict, touched } = record;
    if (verdict === null || touched) return;
    const wasApplied = verdict === "applied";
    const isApplied = final.state === "applied" || final.state === "acked";
    if (wasApplied !== isApplied && final.state !== "unknown") {
      this.#report("INV2", `operation ${id} settled as ${verdict}, and is ${final.state} now`);
    }
  }
}

/** What is asked of one member of a group is asked of all. */
function asked(record: Enqueued): readonly Enqueued[] {
  return record.group.length === 0 ? [record] : record.group;
}
