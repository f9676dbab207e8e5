import { canonicalJson, type JsonObject } from "@guardian-sync/protocol";
import { CANARY } from "./canary-watch.ts";
import type { Shown } from "./shown.ts";
import type { Enqueued, Report } from "./model.ts";
import type { OperationsWatch } from "./operations-watch.ts";

interface Life {
  readonly label: string;
  readonly device: string;
}
interface Item {
  readonly entityId: string;
  readonly value: JsonObject | null;
  readonly version: number | null;
}

const MARKER = new RegExp(`${CANARY} \\d+\\.`, "u");

/** INV4 and INV5: what pages show, against the server's documents and against what is on the disk. */
export class ViewWatch {
  readonly #report: Report;
  readonly #operations: OperationsWatch;
  /** With several accounts on a device what one wrote rightly vanishes from the other one's page. */
  readonly #isAlone: boolean;
  /** By life and note: the newest own write that was shown. */
  readonly #newest = new Map<string, Map<string, Enqueued>>();
  /** Asked to look again later, when what explains it is known, too. */
  onSuspicion: (judge: () => void) => void = () => undefined;
  /** By life and thing: the newest version that was shown. */
  readonly #versions = new Map<string, Map<string, number>>();
  #told = 0;

  constructor(report: Report, operations: OperationsWatch, isAlone: boolean) {
    this.#report = report;
    this.#operations = operations;
    this.#isAlone = isAlone;
  }

  /** Lists that were looked at. */
  get told(): number {
    return this.#told;
  }

  /** A page begins: what an earlier one showed binds it to nothing. */
  begins(label: string): void {
    this.#newest.set(label, new Map());
    this.#versions.set(label, new Map());
  }

  /** Every addition is shown once: by the document, or on top of it. */
  counters(life: Life, items: readonly Item[]): void {
    this.#told += 1;
    this.#forward(life, items);
    for (const { entityId, value, version } of items) {
      const stands = Number(value?.value ?? 0);
      let least = 0;
      let most = 0;
      for (const record of this.#operations.ofEntity(entityId)) {
        const { by, effectVersion, device, process } = record;
        const isInside = effectVersion !== null && effectVersion <= (version ?? 0);
        if (isInside || device === life.device) most += by;
        if (isInside || (effectVersion !== null && process === life.label && this.#binds(record))) least += by;
      }
      const facts = `${life.label} shows ${stands} for counter ${entityId} on version ${version ?? "none"}`;
      if (stands > most) this.#report("INV5", `${facts}: at most ${most} were added, something is shown twice`);
      if (stands < least) this.#suspect(life, entityId, `${facts}: ${least} were added, something acknowledged is not shown`);
    }
  }

  /** An own title that was shown is not followed by an older one, or by none, unless something happened to it. */
  notes(life: Life, items: readonly Item[]): void {
    this.#told += 1;
    this.#forward(life, items);
    if (!this.#isAlone) return;
    const newest = this.#newest.get(life.label);
    if (newest === undefined) return;
    const there = new Set<string>();
    for (const { entityId, value } of items) {
      there.add(entityId);
      const marker = MARKER.exec(String(value?.title ?? ""))?.[0] ?? "";
      const record = this.#operations.withMarker(marker);
      const before = newest.get(entityId);
      if (record === undefined || record === before) continue;
      if (before !== undefined && isOlder(record, before)) {
        const facts = `${life.label} shows what operation ${record.id ?? record.call} wrote`;
        this.#suspect(life, entityId, `${facts} in the place of the later ${before.id ?? before.call}`, before);
      } else if (record.process === life.label && this.#binds(record)) newest.set(entityId, record);
    }
    for (const [entityId, record] of newest) {
      if (there.has(entityId)) continue;
      this.#suspect(
        life,
        entityId,
        `${life.label} no longer shows note ${entityId}, to which it wrote ${record.id ?? record.call}`,
        record,
      );
    }
  }

  /** A page at rest against the disk under it. */
  compare(life: string, shown: ReadonlyMap<string, Shown>, truth: ReadonlyMap<string, Shown>): string | null {
    for (const [key, { value, version }] of truth) {
      const own = shown.get(key);
      if (own === undefined) return `${life} does not show ${key}, which is there`;
      if (own.version !== version) return `${life} shows ${key} on version ${own.version ?? "none"}, and ${version ?? "none"} is there`;
      if (canonicalJson(own.value) !== canonicalJson(value))
        return `${life} shows another ${key} than there is (version ${version ?? "none"})`;
    }
    for (const key of shown.keys()) if (!truth.has(key)) return `${life} shows ${key}, which is not there`;
    return null;
  }

  /** Documents do not go back to what they were. */
  #forward({ label }: Life, items: readonly Item[]): void {
    const versions = this.#versions.get(label);
    if (!this.#isAlone || versions === undefined) return;
    for (const { entityId, version } of items) {
      const before = versions.get(entityId) ?? 0;
      if (version !== null && version < before) this.#report("INV5", `${label} shows version ${version} of ${entityId} after ${before}`);
      versions.set(entityId, Math.max(before, version ?? 0));
    }
  }

  #binds({ watched, meddled, touched, withdrawn, stored, into }: Enqueued): boolean {
    const isMeddled = [meddled, touched, withdrawn, into?.meddled, into?.touched, into?.withdrawn].includes(true);
    return this.#isAlone && watched && !isMeddled && stored !== "refused";
  }

  #suspect(life: Life, entityId: string, message: string, record?: Enqueued): void {
    this.onSuspicion(() => {
      if (record !== undefined && !this.#binds(record)) return;
      if (!this.#isDisturbed(life, entityId)) this.#report("INV5", message);
    });
  }

  /** Something happened to the thing that explains why an own write is not shown any more. */
  #isDisturbed({ device }: Life, entityId: string): boolean {
    return this.#operations.ofEntity(entityId).some((record) => {
      const { type, withdrawn, touched, meddled, heldBack, stored, answers, keys } = record;
      const isForeign = record.device !== device && keys.size > 0 && record.by === 0;
      const isRefused = stored === "refused" || [...answers].some((answer) => !answer.startsWith("applied"));
      return isForeign || type === "DELETE" || withdrawn || touched || meddled || heldBack || isRefused;
    });
  }
}

function isOlder(a: Enqueued, b: Enqueued): boolean {
  if (a.device !== b.device) return false;
  if (a.seq !== null && b.seq !== null) return a.seq < b.seq;
  return a.process === b.process && a.call < b.call;
}
