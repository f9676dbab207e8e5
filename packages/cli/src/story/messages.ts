/** What the story and its devices say to each other over the channel between their processes. */
import type { EngineStatus, Session } from "guardian-sync";

export interface DeviceConfig {
  readonly name: string;
  /** The queue file. */
  readonly path: string;
  readonly baseUrl: string;
  readonly session: Session;
  readonly isOnline: boolean;
}

export type Edit =
  | {
      readonly do: "create";
      readonly entityType: string;
      readonly entityId: string;
      readonly payload: Readonly<Record<string, string | number | boolean>>;
    }
  | { readonly do: "rename"; readonly deviceId: string; readonly name: string }
  | { readonly do: "switch"; readonly deviceId: string; readonly state: Readonly<Record<string, boolean | number | string>> }
  | { readonly do: "measure"; readonly id: string; readonly userId: string; readonly bpm: number };

export type Order =
  | { readonly tag: number; readonly order: "edit"; readonly edits: readonly Edit[] }
  | { readonly tag: number; readonly order: "online"; readonly isOnline: boolean }
  | { readonly tag: number; readonly order: "drain" }
  | { readonly tag: number; readonly order: "status" }
  | { readonly tag: number; readonly order: "close" };
export type NewOrder = Order extends infer T ? (T extends unknown ? Omit<T, "tag"> : never) : never;

export type Report =
  | { readonly report: "ready"; readonly status: EngineStatus }
  /** Unasked: the queue moved. */
  | { readonly report: "moved"; readonly status: EngineStatus }
  /** An operation is on disk. */
  | { readonly report: "stored"; readonly id: string }
  | { readonly report: "done"; readonly tag: number; readonly status: EngineStatus }
  | { readonly report: "failed"; readonly tag: number; readonly message: string };
