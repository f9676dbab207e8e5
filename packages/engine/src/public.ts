/** What `guardian-sync` exports on every platform, besides its `createSyncEngine`. */
export { SyncError } from "@guardian-sync/protocol";
export type { SyncErrorCode } from "@guardian-sync/protocol";
export type { CustomPolicy, FieldDeclarations, FieldKind, FieldOptions, FieldPolicy, Sides } from "./core/field-rules.ts";
export { account as conservationAccount, conserved } from "./core/conservation.ts";
export type { Session } from "./core/session.ts";
export {
  defineEntity,
  defineOperation,
  type EntityDefinition,
  type EntityRef,
  type OperationDefinition,
  type OperationOptions,
  type RequestTemplate,
  type StandardSchema,
} from "./engine/definitions.ts";
export type { Accounts, LeaveOptions, LeaveResult } from "./engine/accounts.ts";
export type { Waiting } from "./engine/left-behind.ts";
export type { ConflictedField, ConflictedOperation, Resolution, ServerDocument } from "./engine/conflicts.ts";
export type { SyncEvent, SyncEventType } from "./engine/events.ts";
export type { Dependency } from "./engine/dependencies.ts";
export type { Selection } from "./engine/failed.ts";
export type { OperationGroup } from "./engine/group.ts";
export type { EnqueueInput, GroupMember, RunMember, RunOptions } from "./engine/intake.ts";
export type { KeptFilter, KeptOperation } from "./engine/kept.ts";
export type { EntityView, ListedEntity } from "./engine/live-view.ts";
export { Operation, type OperationStatus, type Settled, type VerdictKind } from "./engine/operation.ts";
export type { BackendOptions, EngineOptions, Platform } from "./engine/options.ts";
export type { Page } from "./engine/page.ts";
export type { PendingOperation } from "./engine/pending.ts";
export type { EngineStatus } from "./engine/status.ts";
export { type DrainResult, SyncEngine } from "./engine/sync-engine.ts";
export type { EntitiesHandle, EntityHandle } from "./engine/viewing.ts";
export type { SyncEngineOptions } from "./open-engine.ts";
export type { StoreAdapter } from "./ports/index.ts";
