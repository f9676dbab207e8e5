export type {
  AccessRequest,
  Authorize,
  CollectionDefinition,
  DocumentFields,
  Effect,
  Effects,
  Handler,
  HandlerContext,
  HandlerTx,
  OperationDefinition,
  OperationRoute,
  WriteAction,
} from "./core/registry.ts";
export { defineServerOperation, emit } from "./core/registry.ts";
export type { Refusal } from "./core/refusal.ts";
export { OperationRejected } from "./core/refusal.ts";
export type { StandardSchema } from "./core/schema.ts";
export type { SqlRow, SqlValue, Storage, StorageErrorCode } from "./core/storage.ts";
export { StorageError } from "./core/storage.ts";
export type { UpkeepReport } from "./core/upkeep.ts";
export type { CorsOptions } from "./http/cors.ts";
export type { Limits } from "./http/deps.ts";
export type { DevTokenOptions } from "./http/dev-tokens.ts";
export { devTokens } from "./http/dev-tokens.ts";
export type { JwtAuthOptions } from "./http/jwt-auth.ts";
export { jwtAuth } from "./http/jwt-auth.ts";
export type { SyncServerOptions } from "./http/options.ts";
export type { Authenticate, Authenticator, PlainRequest, PlainResponse, Session, Timer, TokenRoute } from "./ports.ts";
export { createSyncServer, type SyncServer } from "./http/server.ts";
