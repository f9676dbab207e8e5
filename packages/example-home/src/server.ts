/** The server's half of the example: which collections a home has, and what its named operations do. */
import {
  type CollectionDefinition,
  type DocumentFields,
  defineServerOperation,
  type Effect,
  emit,
  type HandlerContext,
  type OperationDefinition,
  OperationRejected,
} from "@guardian-sync/server";
import { z } from "zod";
import { Attachment, Automation, BloodPressure, Device, DeviceState, Document, FallEvent, HeartRate, Room, User } from "./schemas.ts";

/** A measurement may be ahead of the server's clock by what a correct clock may be off. */
const ALLOWED_SKEW_MS = 5 * 60_000;

/** Written by its RECORD operation only, and never changed afterwards. */
const recorded = { allow: [], appendOnly: true } as const;

/** On the REST face the body of a creation names its id. */
const ownId = { id: z.string().optional() };

export const homeCollections: Readonly<Record<string, CollectionDefinition>> = {
  users: { entityType: "user", schema: User },
  rooms: { entityType: "room", schema: Room },
  devices: { entityType: "device", schema: Device },
  automations: { entityType: "automation", schema: Automation },
  documents: { entityType: "document", schema: Document, idFormat: "uuid_v4" },
  attachments: { entityType: "attachment", schema: Attachment, idFormat: "uuid_v4" },
  "health/heart-rate": { entityType: "heart_rate", schema: HeartRate, ...recorded },
  "health/blood-pressure": { entityType: "blood_pressure", schema: BloodPressure, ...recorded },
  "health/fall-events": { entityType: "fall_event", schema: FallEvent, ...recorded },
};

export const homeOperations: Readonly<Record<string, OperationDefinition>> = {
  // Best effort: the next report of the device makes up for a lost one, so no key is asked for.
  UPDATE_DEVICE_STATE: defineServerOperation({
    input: DeviceState,
    route: {
      method: "POST",
      path: "/api/v1/devices/{device_id}/state",
      entityType: "device",
      entityIdFrom: "device_id",
      requiresIdempotency: false,
    },
    handler: async (tx, { device_id, state }, { entityId }) => {
      if (device_id !== undefined && device_id !== entityId)
        throw invalid("device_id", "entity", "device_id is not the operation's device");
      const device = await tx.entity("device", entityId);
      if (device === null) {
        const details = { resource_type: "device", resource_id: entityId };
        throw new OperationRejected({ status: 404, code: "RESOURCE_NOT_FOUND", message: `there is no device ${entityId}`, details });
      }
      const before = Device.shape.state.parse(device.state) ?? {};
      return emit.put("device", entityId, { ...device, state: { ...before, ...state } });
    },
  }),

  RECORD_HEART_RATE: defineServerOperation({
    input: HeartRate.safeExtend(ownId),
    route: { method: "POST", path: "/api/v1/health/heart-rate", entityType: "heart_rate" },
    handler: (_, reading, context) => record("heart_rate", reading, "measured_at", context),
  }),

  RECORD_BLOOD_PRESSURE: defineServerOperation({
    input: BloodPressure.safeExtend(ownId),
    route: { method: "POST", path: "/api/v1/health/blood-pressure", entityType: "blood_pressure" },
    handler: (_, reading, context) => record("blood_pressure", reading, "measured_at", context),
  }),

  RECORD_FALL_EVENT: defineServerOperation({
    input: FallEvent.safeExtend(ownId),
    route: { method: "POST", path: "/api/v1/health/fall-events", entityType: "fall_event" },
    handler: (_, event, context) => record("fall_event", event, "detected_at", context),
  }),
};

/** One record, under the operation's own id; nothing of what was recorded before is touched. */
function record(type: string, document: DocumentFields, timeField: string, { entityType, entityId, now }: HandlerContext): Effect {
  if (entityType !== type) throw invalid("entity_type", "entity", `this operation records a ${type}, not a ${entityType}`);
  if (Date.parse(String(document[timeField])) > now + ALLOWED_SKEW_MS) {
    throw invalid(timeField, "not_in_the_future", `${timeField} lies in the future`);
  }
  return emit.put(type, entityId, document);
}

function invalid(field: string, constraint: string, message: string): OperationRejected {
  return new OperationRejected({ status: 422, code: "VALIDATION_ERROR", message, details: { field, constraint } });
}
