import { hexOf } from "../format/index.ts";
import type { AccountTag, NewSegment, OpenedStore, QueueStore, ReceiptRow } from "../ports/index.ts";
import { MemoryDisk, memoryStore } from "../storage/memory.ts";
import { ann, at, bob, type ContractWorld, dump, state, STOPPED_CLOCK, tagOf, type StoreCase } from "./store-contract-world.ts";

const STEPS = 250;
const SEEDS = 3;

/** Chance in place of cases: the same random calls on this store and on the memory store must give the same answers. */
export const modelCases: readonly StoreCase[] = Array.from({ length: SEEDS }, (_, i) => ({
  title: `Q1 ${STEPS} random calls, restarts and second connections leave what the model has (seed ${i + 1})`,
  run: async (world, expect): Promise<void> => {
    const walk = new Walk(world, i + 1);
    await walk.begin();
    for (let step = 0; step < STEPS; step++) expect(await walk.step()).toEqual({ step, same: true });
  },
}));

class Walk {
  readonly #world: ContractWorld;
  readonly #random: ContractWorld["random"];
  readonly #model = new MemoryDisk();
  #subject!: OpenedStore;
  #reference!: QueueStore;
  #accounts: readonly AccountTag[] = [];
  #ids: string[] = [];
  #last = 0;
  #steps = 0;

  constructor(world: ContractWorld, seed: number) {
    this.#world = world;
    this.#random = world.random.fork(`walk ${seed}`);
  }

  async begin(): Promise<void> {
    this.#subject = await this.#world.open();
    const opened = await memoryStore({ disk: this.#model }).open({ clock: STOPPED_CLOCK, random: this.#random });
    this.#reference = opened.store;
    this.#accounts = [ann(this.#subject), bob(this.#subject)];
  }

  /** `same`: both stores answered alike; else what the two said. */
  async step(): Promise<{ readonly step: number; readonly same: unknown }> {
    const act = await this.#choose();
    const [subject, model] = [await act(this.#subject.store), await act(this.#reference)];
    const [said, expected] = [inOrder(subject), inOrder(model)];
    const same = said === expected ? true : difference(said, expected);
    return { step: this.#steps++, same };
  }

  async #choose(): Promise<(store: QueueStore) => Promise<unknown>> {
    const account = this.#random.pick(this.#accounts);
    const choice = this.#random.fraction();
    if (choice < 0.35) return this.#append(account);
    if (choice < 0.65) return this.#commit(account);
    if (choice < 0.75) return this.#findIds();
    if (choice < 0.8) {
      const before = this.#random.integer(0, 2000);
      return (store) => store.purgeReceipts(before, 1000);
    }
    if (choice < 0.85) {
      if (this.#random.chance(0.5)) await this.#world.closeAll();
      this.#subject = await this.#world.open();
    } else if (choice < 0.9) {
      const after = tagOf(this.#subject, account, `entity-${this.#random.integer(0, 20)}`);
      const limit = this.#random.integer(0, 5);
      return (store) => store.listEntities(account, after, limit);
    }
    return (store) => dump(store, this.#accounts);
  }

  async #append(account: AccountTag): Promise<(store: QueueStore) => Promise<unknown>> {
    const segments: NewSegment[] = [];
    for (let i = this.#random.integer(1, 3); i > 0; i--) {
      const count = this.#random.integer(1, 4);
      const who = this.#random.chance(0.2) ? this.#random.pick(this.#accounts) : account;
      segments.push(await this.#world.segment(this.#subject, who, count, this.#ids48()));
      this.#last += count;
    }
    return (store) => store.append(segments);
  }

  /** Mostly in order, sometimes far out of it. */
  #ids48(): { readonly idMin: string; readonly idMax: string } {
    const id = (point: number): string => {
      const hex = Math.max(0, Math.floor(point)).toString(16).padStart(12, "0");
      return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
    };
    const from = this.#last * 10 + (this.#random.chance(0.3) ? this.#random.integer(-400, 400) : 0);
    const idMin = id(from);
    const idMax = id(Math.max(0, from) + this.#random.integer(0, this.#random.chance(0.1) ? 500 : 9));
    this.#ids.push(idMin, idMax);
    return { idMin, idMax };
  }

  #findIds(): (store: QueueStore) => Promise<unknown> {
    const ids = Array.from({ length: 5 }, () => (this.#ids.length === 0 ? "00" : this.#random.pick(this.#ids)));
    const seqs = { from: at(this.#random.integer(1, this.#last + 1)), to: at(this.#last) };
    return async (store) => {
      const found: unknown[] = [];
      for (const account of this.#accounts) {
        for (const id of ids) found.push(await store.findSegments(account, id), await store.readReceipts(account, { id }));
        found.push(await store.readSegments(account, seqs.from, 3), await store.readReceipts(account, { seqs }));
        found.push(await store.readStates({ account, phases: ["ready", "failed"], after: seqs.from, limit: 4 }));
      }
      return found;
    };
  }

  async #commit(account: AccountTag): Promise<(store: QueueStore) => Promise<unknown>> {
    const random = this.#random;
    const row = await this.#reference.readAccount(account);
    const segment = (await this.#reference.readSegments(account, at(random.integer(1, this.#last + 1)), 1))[0];
    const from = segment?.seqFrom ?? at(1);
    const to = at(from + random.integer(0, (segment?.count ?? 1) - 1));
    const receipt: ReceiptRow = {
      account,
      seqMin: from,
      seqMax: to,
      ...this.#ids48(),
      settledAt: random.integer(0, 2000),
      body: random.bytes(5),
    };
    const states = [from, to].map((seq) =>
      state(this.#subject, account, seq, {
        phase: random.pick(["ready", "failed", "sealed"]),
        entityTag: tagOf(this.#subject, account, "e"),
      }),
    );
    // Each operation settles once: what is alive is known from the model.
    const settles = segment !== undefined && segment.live === segment.count && random.chance(0.6);
    const change = {
      account,
      expectRevision: (row?.revision ?? 0) + (random.chance(0.1) ? 1 : 0),
      count: { pending: -1, succeeded: 1 },
      // A seq belongs to one account.
      ...(segment === undefined ? {} : random.chance(0.5) ? { putStates: states } : { dropStates: [from] }),
      ...(settles ? { settleContent: [{ from, to }] } : {}),
      ...(random.chance(0.5) ? { putReceipts: [receipt] } : {}),
      ...(random.chance(0.3) ? { putAccountDetail: random.bytes(6) } : {}),
    };
    return (store) => store.commit(change);
  }
}

/** As text, whatever order a store puts the fields of its rows in. */
function inOrder(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) => {
    if (field instanceof Uint8Array) return hexOf(field);
    if (typeof field !== "object" || field === null || Array.isArray(field)) return field;
    return Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** What two long texts say around the place where they part. */
function difference(said: string, expected: string): { readonly said: string; readonly expected: string } {
  let at = 0;
  while (said[at] === expected[at]) at++;
  return { said: said.slice(Math.max(0, at - 150), at + 150), expected: expected.slice(Math.max(0, at - 150), at + 150) };
}
