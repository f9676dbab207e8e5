/**
 * The smallest home on which a fault shows: documents that know their own version, and a tally that no repetition leaves as it was.
 * A schema of its own on both sides, so that nothing but the engine stands between a fault and its figure.
 */
import {
  type CollectionDefinition,
  createSyncServer,
  defineServerOperation,
  emit,
  type OperationDefinition as ServerOperation,
  type Storage,
  type SyncServer,
  type SyncServerOptions,
} from "@guardian-sync/server";
import { defineEntity, defineOperation, type EntityDefinition, type OperationDefinition, type Session } from "guardian-sync";

export interface Reading {
  readonly monitor_id: string;
  readonly bpm: number;
}

/** CREATE writes `n: 1`; the update number `k` writes `n: k`: applied once each, in order, `n` is the document's version. */
export const device: EntityDefinition = defineEntity("device", { collection: "devices" });

/** Adds one reading to the monitor's tally. Applied twice, the tally is wrong. */
export const recordHeartRate: OperationDefinition<Reading> = defineOperation<Reading>("RECORD_HEART_RATE", {
  entity: ({ monitor_id }) => ({ entityType: "monitor", entityId: monitor_id }),
  apply: (draft, { bpm }) => {
    draft.last_bpm = bpm;
  },
});

const anyDocument = { "~standard": { version: 1 as const, vendor: "proof", validate: (value: unknown) => ({ value }) } };

const MAX_NAME_CHARS = 40;
/** Refuses a name that is too long: the way to a definite rejection. */
const deviceDocument = {
  "~standard": {
    version: 1 as const,
    vendor: "proof",
    validate: (value: unknown) => {
      const { name } = value as { readonly name?: unknown };
      if (typeof name !== "string" || name.length <= MAX_NAME_CHARS) return { value };
      return { issues: [{ message: `must have at most ${MAX_NAME_CHARS} characters`, path: ["name"] }] };
    },
  },
};

const collections: Readonly<Record<string, CollectionDefinition>> = {
  devices: { entityType: "device", schema: deviceDocument },
  monitors: { entityType: "monitor", schema: anyDocument, allow: [] },
};

const operations: Readonly<Record<string, ServerOperation>> = {
  RECORD_HEART_RATE: defineServerOperation<Reading>({
    input: anyDocument as typeof anyDocument & { readonly "~standard": { readonly types?: { readonly output: Reading } } },
    handler: async (tx, { bpm }, { entityId }) => {
      const monitor = await tx.entity("monitor", entityId);
      const readings = typeof monitor?.readings === "number" ? monitor.readings : 0;
      return emit.put("monitor", entityId, { readings: readings + 1, last_bpm: bpm });
    },
  }),
};

/** A token of the proof says who it is for: `space.principal.number`. The number tells one token from its successor. */
export function tokenOf(space: string, principal: string, number = 1): string {
  return `${space}.${principal}.${number}`;
}

export function tokenNumberOf(token: string): number {
  return Number(token.split(".")[2]);
}

export function sessionOf(space: string, principal: string, number = 1): Session {
  return { account: { space, principal }, token: tokenOf(space, principal, number) };
}

/** The production server with the home's collections. Rate limits are out of the way: they have their own tests. */
export function homeServer(
  storage: Storage,
  options: Partial<SyncServerOptions> = {},
  isValid: (token: string) => boolean = () => true,
): SyncServer {
  return createSyncServer({
    storage,
    collections,
    operations,
    authenticate: ({ headers }) => {
      const token = /^Bearer (\S+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
      const [space, principal = ""] = token.split(".");
      return space === undefined || principal === "" || !isValid(token) ? null : { space, principal, roles: [] };
    },
    rateLimit: { perPrincipal: 1_000_000_000, perAddress: 1_000_000_000 },
    ...options,
  });
}
