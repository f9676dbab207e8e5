/** The client's half of the example: what a home's app can queue, and how each of it reaches the server. */
import { defineEntity, defineOperation, type EngineOptions, type EntityDefinition, type OperationDefinition } from "guardian-sync";
import { z } from "zod";
import {
  Attachment,
  Automation,
  BloodPressure as BloodPressureRecord,
  Device,
  DeviceState,
  Document,
  FallEvent as FallEventRecord,
  HeartRate as HeartRateRecord,
  Room,
  User,
} from "./schemas.ts";

/** A record gets its id on the device, so that a repetition is the same record. */
const own = { id: z.string().min(1).max(255) };

const DeviceStateUpdate = DeviceState.required({ device_id: true });
export type DeviceStateUpdate = z.infer<typeof DeviceStateUpdate>;
const HeartRate = HeartRateRecord.safeExtend(own);
export type HeartRate = z.infer<typeof HeartRate>;
const BloodPressure = BloodPressureRecord.safeExtend(own);
export type BloodPressure = z.infer<typeof BloodPressure>;
const FallEvent = FallEventRecord.safeExtend(own);
export type FallEvent = z.infer<typeof FallEvent>;

export const user: EntityDefinition<User> = defineEntity("user", { schema: User, collection: "users" });
export const room: EntityDefinition<Room> = defineEntity("room", { schema: Room, collection: "rooms" });
export const device: EntityDefinition<Device> = defineEntity("device", {
  schema: Device,
  collection: "devices",
  // Labels from two people are both kept; of two names a person chooses one.
  fields: { labels: "set", name: { policy: "ask" } },
});
export const automation: EntityDefinition<Automation> = defineEntity("automation", { schema: Automation, collection: "automations" });
export const document: EntityDefinition<Document> = defineEntity("document", { schema: Document, collection: "documents" });
export const attachment: EntityDefinition<Attachment> = defineEntity("attachment", { schema: Attachment, collection: "attachments" });

// Written by their RECORD operation only, so they have no collection to create them in.
const heartRate = defineEntity<HeartRate>("heart_rate");
const bloodPressure = defineEntity<BloodPressure>("blood_pressure");
const fallEvent = defineEntity<FallEvent>("fall_event");

/** What a device reports about itself: the values that changed. */
export const updateDeviceState: OperationDefinition<DeviceStateUpdate, Device> = defineOperation("UPDATE_DEVICE_STATE", {
  input: DeviceStateUpdate,
  entity: ({ device_id }) => device.ref(device_id),
  apply: (draft, { state }) => {
    draft.state = { ...draft.state, ...state };
  },
  request: ({ input }) => ({ method: "POST", path: "/api/v1/devices/{device_id}/state", body: { ...input } }),
});

export const recordHeartRate: OperationDefinition<HeartRate, HeartRate> = defineOperation("RECORD_HEART_RATE", {
  input: HeartRate,
  entity: ({ id }) => heartRate.ref(id),
  apply: (draft, reading) => void Object.assign(draft, reading),
  request: () => ({ method: "POST", path: "/api/v1/health/heart-rate" }),
});

export const recordBloodPressure: OperationDefinition<BloodPressure, BloodPressure> = defineOperation("RECORD_BLOOD_PRESSURE", {
  input: BloodPressure,
  entity: ({ id }) => bloodPressure.ref(id),
  apply: (draft, reading) => void Object.assign(draft, reading),
  request: () => ({ method: "POST", path: "/api/v1/health/blood-pressure" }),
});

export const recordFallEvent: OperationDefinition<FallEvent, FallEvent> = defineOperation("RECORD_FALL_EVENT", {
  input: FallEvent,
  entity: ({ id }) => fallEvent.ref(id),
  apply: (draft, event) => void Object.assign(draft, event),
  request: () => ({ method: "POST", path: "/api/v1/health/fall-events" }),
});

/** Options `entities` and `operations` of an engine for a home. */
export const homeEntities: NonNullable<EngineOptions["entities"]> = [user, room, device, automation, document, attachment];
export const homeOperations: NonNullable<EngineOptions["operations"]> = [
  updateDeviceState,
  recordHeartRate,
  recordBloodPressure,
  recordFallEvent,
];
