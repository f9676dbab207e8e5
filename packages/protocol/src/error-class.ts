/** What an answer means, in the words of the first specification. Stands in logs and in `SyncError`: added to, never renamed. */
export const ERROR_CLASSES = [
  "MalformedResponse",
  "NetworkException",
  "ValidationException",
  "UnauthorizedException",
  "PermissionDeniedException",
  "ResourceNotFoundException",
  "TimeoutException",
  "ConflictException",
  "PreconditionFailedException",
  "Gone",
  "PayloadTooLarge",
  "ClientVersionException",
  "RateLimitException",
  "RequestRejected",
  "ServerException",
  "ServiceUnavailableException",
] as const;
export type ErrorClass = (typeof ERROR_CLASSES)[number];

/** The values of the metric label `error_class`: fourteen, because what one dashboard need not tell apart shares one. */
export const ERROR_CLASS_LABELS = [
  "malformed",
  "network",
  "validation",
  "auth",
  "permission",
  "not_found",
  "timeout",
  "conflict",
  "too_large",
  "client_version",
  "rate_limit",
  "rejected",
  "server",
  "unavailable",
] as const;
export type ErrorClassLabel = (typeof ERROR_CLASS_LABELS)[number];

const LABELS: Readonly<Record<ErrorClass, ErrorClassLabel>> = {
  MalformedResponse: "malformed",
  NetworkException: "network",
  ValidationException: "validation",
  UnauthorizedException: "auth",
  PermissionDeniedException: "permission",
  ResourceNotFoundException: "not_found",
  Gone: "not_found",
  TimeoutException: "timeout",
  ConflictException: "conflict",
  PreconditionFailedException: "conflict",
  PayloadTooLarge: "too_large",
  ClientVersionException: "client_version",
  RateLimitException: "rate_limit",
  RequestRejected: "rejected",
  ServerException: "server",
  ServiceUnavailableException: "unavailable",
};

export function errorClassLabel(errorClass: ErrorClass): ErrorClassLabel {
  return LABELS[errorClass];
}
