import type { Device, Room } from "@guardian-sync/example-home/schemas";
import type { ConflictedOperation, EngineStatus, KeptOperation, ListedEntity, PendingOperation } from "guardian-sync";
import type { Problem } from "./problems.ts";

/** An edit that met somebody else's and was put together with it. */
export interface MergedEdit {
  readonly operationId: string;
  readonly entityId: string;
  /** Epoch ms. */
  readonly at: number;
}
/** What a page shows of one device. */
export interface OpenView {
  readonly phase: "open";
  /** The switch in the page; the browser's own network may be down all the same. */
  readonly isSwitchedOn: boolean;
  readonly isOnline: boolean;
  readonly status: EngineStatus;
  readonly rooms: readonly ListedEntity<Room>[];
  readonly devices: readonly ListedEntity<Device>[];
  /** The first of those that wait, or are under way. */
  readonly waiting: readonly PendingOperation[];
  readonly failed: readonly KeptOperation[];
  readonly conflicts: readonly ConflictedOperation[];
  /** What two people changed at once and no one had to decide: of the last seconds. */
  readonly merged: readonly MergedEdit[];
  /** Everything that the server had has been read since the page opened. */
  readonly hasRead: boolean;
  /** It has had time enough. */
  readonly isLate: boolean;
  /** Of the last two seconds, to be seen leaving. */
  readonly justDone: number;
  /** Why the last edit was not taken. */
  readonly refusal: Problem | null;
}
export type DeviceView = OpenView | { readonly phase: "opening" } | { readonly phase: "broken"; readonly problem: Problem };
