import type { OperationVerdict } from "./answer.ts";
import type { Settlement } from "./settlement.ts";

/** One operation of a request, as far as its group is concerned. */
export interface Member {
  readonly key: string;
  readonly groupId?: string | undefined;
}
type Move = Settlement["moves"][number];

/**
 * The server applies a group whole or not at all, and answers one member with the reason: here the others learn what it means for
 * them, so that members never end differently. What has no group stays as it is.
 */
export function together(settlement: Settlement, sent: readonly Member[]): Settlement {
  const groups = new Map<string, number[]>();
  for (const [index, { groupId }] of sent.entries()) {
    if (groupId !== undefined) groups.set(groupId, [...(groups.get(groupId) ?? []), index]);
  }
  if (groups.size === 0) return settlement;
  const moves = new Map(settlement.moves.map((move) => [move.index, move]));
  for (const members of groups.values()) {
    const own = members.flatMap((index) => moves.get(index) ?? []);
    if (own.length === 0) continue;
    for (const index of members) moves.delete(index);
    for (const move of asOne(members, own, sent)) moves.set(move.index, move);
  }
  return { ...settlement, moves: [...moves.values()].toSorted((a, b) => a.index - b.index) };
}

function asOne(members: readonly number[], own: readonly Move[], sent: readonly Member[]): readonly Move[] {
  const first = members[0] as number;
  const of = (event: OperationVerdict["event"]): Move | undefined => own.find(({ verdict }) => verdict.event === event);
  const all = (say: (index: number, known: OperationVerdict | undefined) => OperationVerdict | undefined): readonly Move[] =>
    members.flatMap((index) => {
      const verdict = say(index, own.find((move) => move.index === index)?.verdict);
      return verdict === undefined ? [] : [{ index, verdict }];
    });
  const keyOf = (index: number): string => (sent[index] as Member).key;

  const isApplied = own.every(({ verdict }) => verdict.step === "succeed");
  // Of a group that was undone the server counts only a first member: the numbers before any other are free again.
  const counted = (index: number, verdict: OperationVerdict): OperationVerdict => ({
    ...verdict,
    consumesNumber: verdict.consumesNumber && index === first,
  });
  // What was so already leaves the group; the others go again.
  if (own.some(({ verdict }) => verdict.step === "succeed"))
    return isApplied ? own : own.map(({ index, verdict }) => ({ index, verdict: counted(index, verdict) }));
  const rejected = of("reject");
  if (rejected !== undefined) {
    return all((index, known) => (known?.event === "reject" ? counted(index, known) : follower(rejected.verdict, keyOf(index), "reject")));
  }
  const parked = of("park");
  if (parked !== undefined)
    return all((index, known) => (known?.event === "park" ? known : follower(parked.verdict, keyOf(index), "park")));
  const conflict = of("conflict");
  // A marker that nobody asked for stops the whole group, so nothing of it was applied: it goes again as it is.
  const isCancelled = own.length === members.length && own.every(({ verdict }) => verdict.event === "cancelled");
  const reason = conflict ?? own.find(({ verdict }) => verdict.event === "cancelled" || verdict.event === "unseal");
  if (isCancelled || reason === undefined) return own;
  return all((index, known) =>
    known?.event === "conflict" || known?.event === "unseal" ? counted(index, known) : follower(reason.verdict, keyOf(index), "unseal"),
  );
}

const WORDS: Readonly<Partial<Record<OperationVerdict["event"], string>>> = {
  reject: "another member of its group was refused, and a group is applied whole or not at all",
  park: "nobody can say any more whether its group was applied; look at the documents, then retry or discard it",
};

/** What a verdict about one member means for another. */
function follower(about: OperationVerdict, key: string, event: "reject" | "park" | "unseal"): OperationVerdict {
  const { errorClass, mayHaveHappened, burnsAttempt, countsForBreaker, fromLedger, code } = about;
  return {
    key,
    event,
    step: event === "unseal" ? "unseal" : "fail",
    code: event === "reject" ? "DEPENDENCY_FAILED" : event === "park" ? code : null,
    errorClass: event === "unseal" ? "none" : errorClass,
    mayHaveHappened,
    burnsAttempt,
    countsForBreaker,
    message: WORDS[event] ?? "",
    fromLedger,
    consumesNumber: false,
    replayed: false,
  };
}
