import { PHASES, type Phase, type ReceiptRow } from "../ports/index.ts";
import { ann, at, bob, change, state, tagOf, type StoreCase } from "./store-contract-world.ts";

export const readCases: readonly StoreCase[] = [
  {
    title: "reading what is not there finds nothing",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      const account = ann(opened);
      expect(await store.readAccount(account)).toEqual(undefined);
      expect(await store.listAccounts()).toEqual([]);
      expect(await store.readSegments(account, at(1), 10)).toEqual([]);
      expect(await store.findSegments(account, "01")).toEqual([]);
      expect(await store.readStates({ account, limit: 10 })).toEqual([]);
      expect(await store.readPacks(["p"])).toEqual([]);
      expect(await store.readLanes(account)).toEqual([]);
      expect(await store.readEntities(account, [tagOf(opened, account, "x")])).toEqual([]);
      expect(await store.readReceipts(account, { id: "01" })).toEqual([]);
      expect(await store.readReceipts(account, { seqs: { from: at(1), to: at(9) } })).toEqual([]);
      expect(await store.readLock()).toEqual(undefined);
      expect(await store.purgeReceipts(1e15, 10)).toEqual(0);
    },
  },
  {
    title: "Q7 segments are read from the one that holds a seq, of one account, as many as asked for",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      for (let i = 0; i < 4; i++) {
        await store.append([await world.segment(opened, ann(opened), 3), await world.segment(opened, bob(opened), 2)]);
      }
      const from = async (seq: number, limit: number): Promise<unknown> =>
        (await store.readSegments(ann(opened), at(seq), limit)).map((row) => row.seqFrom);
      expect(await from(1, 2)).toEqual([1, 6]);
      expect(await from(3, 1)).toEqual([1]);
      expect(await from(4, 10)).toEqual([6, 11, 16]);
      expect(await from(8, 1)).toEqual([6]);
      expect(await from(18, 10)).toEqual([16]);
      expect(await from(19, 10)).toEqual([]);
      expect(await from(1, 0)).toEqual([]);
    },
  },
  {
    title: "segments are found by id, also where ids and seqs disagree",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      // Two processes whose clocks differ, a clock that went back, a segment over a long time.
      const ranges: readonly (readonly [string, string])[] = [
        ["10", "12"],
        ["40", "45"],
        ["13", "15"],
        ["46", "46"],
        ["11", "50"],
        ["02", "03"],
        ["51", "52"],
      ];
      for (const [idMin, idMax] of ranges) await store.append([await world.segment(opened, ann(opened), 2, { idMin, idMax })]);
      await store.append([await world.segment(opened, bob(opened), 1, { idMin: "00", idMax: "99" })]);
      const found = async (id: string): Promise<unknown> =>
        (await store.findSegments(ann(opened), id)).map((row) => [row.idMin, row.idMax]);
      for (const id of ["01", "02", "11", "12", "14", "42", "46", "50", "51", "53"]) {
        expect(await found(id)).toEqual(ranges.filter(([idMin, idMax]) => idMin <= id && id <= idMax));
      }
      await change(store, ann(opened), { settleContent: [{ from: at(3), to: at(6) }] });
      expect(await found("46")).toEqual([
        ["46", "46"],
        ["11", "50"],
      ]);
      expect(await found("02")).toEqual([["02", "03"]]);
    },
  },
  {
    title: "states are read by every filter and their combinations, in order of seq, within the limit",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      const account = ann(opened);
      const tags = ["a", "b"].map((id) => tagOf(opened, account, id));
      const rows = Array.from({ length: 44 }, (_, i) =>
        state(opened, account, 2 * i + 1, {
          phase: PHASES[i % PHASES.length] as Phase,
          entityTag: tags[i % 2] as (typeof tags)[number],
          blockedBy: i % 4 === 1 ? at(3) : 0,
        }),
      );
      await change(store, account, { putStates: rows });
      await change(store, bob(opened), { putStates: [state(opened, bob(opened), 2), state(opened, bob(opened), 200)] });
      const seqs = [at(2), at(3), at(21), at(25), at(87), at(999)];
      const filters = [
        {},
        { phases: ["sealed"] as const },
        { phases: ["parked", "ready", "sealed"] as const },
        { phases: [] },
        { blockedBy: at(3) },
        { entityTag: tags[0] as (typeof tags)[number] },
        { seqs },
        { seqs: [] },
        { seqs, entityTag: tags[0] as (typeof tags)[number] },
        { phases: ["blocked", "archived"] as const, blockedBy: at(3), entityTag: tags[1] as (typeof tags)[number] },
      ];
      const windows = [{}, { after: at(21) }, { upTo: at(30) }, { after: at(11), upTo: at(60) }, { after: at(87) }];
      for (const filter of filters) {
        for (const window of windows) {
          const query = { ...filter, ...window };
          const expected = rows.filter(
            (row) =>
              (query.phases === undefined || (query.phases as readonly Phase[]).includes(row.phase)) &&
              (query.blockedBy === undefined || row.blockedBy === query.blockedBy) &&
              (query.entityTag === undefined || row.entityTag === query.entityTag) &&
              (query.seqs === undefined || query.seqs.includes(row.seq)) &&
              row.seq > (query.after ?? 0) &&
              row.seq <= (query.upTo ?? Number.POSITIVE_INFINITY),
          );
          for (const limit of [1, 3, 1000]) expect(await store.readStates({ account, ...query, limit })).toEqual(expected.slice(0, limit));
        }
      }
    },
  },
  {
    title: "X2 receipts are found by every seq and id in their range, and by no other; ranges may overlap and differ widely",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      const account = ann(opened);
      const id = (n: number): string => `0190${n.toString(16).padStart(4, "0")}-${n.toString(16).padStart(4, "0")}-7000-8000-000000000000`;
      const spans = [
        [1, 1],
        [2, 40],
        [3, 3],
        [41, 5000],
        [50, 50],
        [4000, 4001],
        [6000, 6015],
        [6000, 6016],
        [7000, 70_000],
      ] as const;
      const receipts: ReceiptRow[] = spans.map(([seqMin, seqMax], i) => ({
        account,
        seqMin: at(seqMin),
        seqMax: at(seqMax),
        idMin: id(seqMin),
        // A stand-in for an id that could not be read, as `discard` of unreadable content writes it.
        idMax: i === 5 ? "unreadable-4001" : id(seqMax),
        settledAt: 100 * i,
        body: world.random.bytes(8),
      }));
      await change(store, account, { putReceipts: receipts });
      await change(store, bob(opened), { putReceipts: receipts.slice(0, 1).map((row) => ({ ...row, account: bob(opened) })) });
      for (const seq of [1, 2, 3, 39, 40, 41, 50, 51, 4001, 5000, 5001, 6015, 6016, 6017, 69_999, 70_001]) {
        const expected = receipts.filter((row) => row.seqMin <= seq && seq <= row.seqMax);
        expect(await store.readReceipts(account, { seqs: { from: at(seq), to: at(seq) } })).toEqual(expected);
        const byId = receipts.filter((row) => row.idMin <= id(seq) && id(seq) <= row.idMax);
        expect(await store.readReceipts(account, { id: id(seq) })).toEqual(byId);
      }
      expect(await store.readReceipts(account, { id: "unreadable-4001" })).toEqual([receipts[5]]);
      expect(await store.readReceipts(account, { seqs: { from: at(45), to: at(6000) } })).toEqual(receipts.slice(3, 8));
    },
  },
  {
    title: "receipts older than asked are purged, never more than asked, of every account",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      const row = (account: ReceiptRow["account"], seq: number, settledAt: number): ReceiptRow => {
        return { account, seqMin: at(seq), seqMax: at(seq), idMin: "01", idMax: "01", settledAt, body: world.random.bytes(4) };
      };
      await change(store, ann(opened), { putReceipts: [1, 2, 3, 4].map((n) => row(ann(opened), n, 10 * n)) });
      await change(store, bob(opened), { putReceipts: [row(bob(opened), 9, 5)] });
      expect(await store.purgeReceipts(30, 2)).toEqual(2);
      expect(await store.purgeReceipts(30, 10)).toEqual(1);
      expect(await store.purgeReceipts(30, 10)).toEqual(0);
      const left = await store.readReceipts(ann(opened), { seqs: { from: at(1), to: at(9) } });
      expect(left.map(({ seqMin }) => seqMin)).toEqual([3, 4]);
      expect(await store.readReceipts(bob(opened), { id: "01" })).toEqual([]);
    },
  },
  {
    title: "lanes and entities are replaced by their key, and read by it",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      const account = ann(opened);
      const [a, b] = ["a", "b"].map((id) => tagOf(opened, account, id)) as [ReturnType<typeof tagOf>, ReturnType<typeof tagOf>];
      const lane = { account, lane: a, head: at(1), dueAt: 5, failures: 2, blockedBy: at(1) } as const;
      const entity = { account, entityTag: a, version: 1, lastSeq: at(1), chainFrom: 1, body: world.random.bytes(6) };
      await change(store, account, {
        putLanes: [lane, { ...lane, lane: b }],
        putEntities: [entity, { ...entity, entityTag: b, body: null }],
      });
      await change(store, account, {
        putLanes: [{ ...lane, head: at(2), blockedBy: 0 }],
        dropLanes: [b],
        putEntities: [{ ...entity, version: 2, chainFrom: 0 }],
      });
      expect(await store.readLanes(account, [a, b])).toEqual([{ ...lane, head: 2, blockedBy: 0 }]);
      expect((await store.readLanes(account, ["", a])).length).toEqual(2);
      expect(await store.readLanes(account, [])).toEqual([]);
      expect(await store.readEntities(account, [a])).toEqual([{ ...entity, version: 2, chainFrom: 0 }]);
      expect((await store.readEntities(account, [b, a])).length).toEqual(2);
      const tags = [a, b].sort();
      const listed = async (after: typeof a | "", limit: number): Promise<unknown> =>
        (await store.listEntities(account, after, limit)).map(({ entityTag }) => entityTag);
      expect(await listed("", 10)).toEqual(tags);
      expect(await listed("", 1)).toEqual(tags.slice(0, 1));
      expect(await listed(tags[0] as typeof a, 10)).toEqual(tags.slice(1));
      expect(await store.listEntities(bob(opened), "", 10)).toEqual([]);
    },
  },
  {
    title: "of many lanes and states the named ones are read and dropped, however near the others are",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      const account = ann(opened);
      await store.append([await world.segment(opened, account, 120), await world.segment(opened, bob(opened), 3)]);
      const tags = Array.from({ length: 120 }, (_, i) => tagOf(opened, account, `entity-${i}`));
      const lanes = tags.slice(0, 60).map((lane, i) => ({ account, lane, head: at(i + 1), dueAt: 0, failures: 0, blockedBy: at(i + 1) }));
      await change(store, account, { putLanes: lanes, putStates: tags.map((_, i) => state(opened, account, i + 1)) });
      await change(store, bob(opened), { putStates: [state(opened, bob(opened), 122)] });
      const heads = async (names: typeof tags): Promise<unknown> =>
        (await store.readLanes(account, names)).map(({ head }) => Number(head)).toSorted((one, other) => one - other);
      expect(await heads([7, 59, 60, 119].map((i) => tags[i] as (typeof tags)[number]))).toEqual([8, 60]);
      expect(await heads(tags)).toEqual(lanes.map(({ head }) => head));
      await change(store, account, { dropLanes: tags.slice(3, 60) });
      expect(await heads(tags)).toEqual([1, 2, 3]);
      const seqs = [1, 2, 3, 5, 8, 20, 21, 60, 119, 120, 122, 400].map(at);
      const named = async (): Promise<unknown> => (await store.readStates({ account, seqs, limit: 500 })).map(({ seq }) => seq);
      expect(await named()).toEqual(seqs.slice(0, 10));
      await change(store, account, { dropStates: [2, 3, 20, 60, 119].map(at) });
      expect(await named()).toEqual([1, 5, 8, 21, 120]);
      expect((await store.readStates({ account, limit: 500 })).length).toEqual(115);
      expect((await store.readStates({ account: bob(opened), limit: 500 })).length).toEqual(1);
    },
  },
  {
    title: "a healthy store says so, gives space back, and keeps everything when it does",
    run: async (world, expect) => {
      const opened = await world.open();
      const { store } = opened;
      for (let i = 0; i < 20; i++) await store.append([await world.segment(opened, ann(opened), 100)]);
      await change(store, ann(opened), { settleContent: [{ from: at(1), to: at(1950) }] });
      await store.compact();
      expect(await store.checkIntegrity()).toEqual({ ok: true, problems: [] });
      expect((await store.readSegments(ann(opened), at(1), 10)).map(({ seqFrom, live }) => [seqFrom, live])).toEqual([[1901, 50]]);
      expect((await store.sizeBytes()) > 0).toEqual(true);
    },
  },
];
