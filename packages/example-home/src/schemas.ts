/**
 * The documents of a home, as they travel: snake_case, times in ISO 8601 UTC, without the server's fields (`id`, `version`,
 * `created_at`, `updated_at`). The same schemas check on the client and on the server. Unknown fields are refused, because a field
 * that vanished in silence would be something a user wrote and lost.
 */
import { z } from "zod";

const name = z.string().trim().min(1).max(200);
const id = z.string().min(1).max(255);
const instant = z.iso.datetime();
/** Values that a device reports; whatever JSON its kind of device has. */
const state = z.record(z.string().min(1).max(100), z.json());

export const User = z.strictObject({
  name,
  email: z.email().max(254).nullish(),
  phone: z.string().max(40).nullish(),
  role: z.enum(["resident", "caregiver", "family", "admin"]).optional(),
});

export const Room = z.strictObject({
  name,
  type: z.string().min(1).max(50),
  floor_number: z.number().int().min(-10).max(200).nullish(),
});

export const Device = z.strictObject({
  name: name.optional(),
  room_id: id.nullish(),
  device_type: z.string().min(1).max(50),
  model: z.string().max(200).nullish(),
  state: state.optional(),
  mqtt_topic: z.string().min(1).max(500).nullish(),
  labels: z.array(z.string().trim().min(1).max(40)).max(20).optional(),
});

/** Input of UPDATE_DEVICE_STATE: the values that changed. The device is the operation's entity, or named here. */
export const DeviceState = z.strictObject({ device_id: id.optional(), state });

export const HeartRate = z.strictObject({
  user_id: id,
  bpm: z.number().int().min(20).max(300),
  measured_at: instant,
  source_device_id: id.nullish(),
});

export const BloodPressure = z
  .strictObject({
    user_id: id,
    systolic: z.number().int().min(40).max(300),
    diastolic: z.number().int().min(20).max(250),
    pulse: z.number().int().min(20).max(300).nullish(),
    measured_at: instant,
    source_device_id: id.nullish(),
  })
  .refine(({ systolic, diastolic }) => diastolic < systolic, { path: ["diastolic"], message: "must be below the systolic pressure" });

export const FallEvent = z.strictObject({
  user_id: id,
  detected_at: instant,
  severity: z.enum(["low", "medium", "high"]).optional(),
  room_id: id.nullish(),
  source_device_id: id.nullish(),
  is_confirmed: z.boolean().optional(),
});

export const Automation = z.strictObject({
  name,
  is_enabled: z.boolean().default(true),
  trigger: z.strictObject({ type: z.string().min(1).max(50), parameters: z.record(z.string(), z.json()).optional() }),
  actions: z
    .array(
      z.strictObject({ type: z.string().min(1).max(50), device_id: id.optional(), parameters: z.record(z.string(), z.json()).optional() }),
    )
    .min(1)
    .max(100),
});

/** Its entity id is its sync identifier. */
export const Document = z.strictObject({
  owner_id: id,
  title: z.string().min(1).max(500),
  category: z.string().min(1).max(100),
  content: z.string().max(200_000).nullish(),
  written_at: instant.optional(),
});

/** What is known of a file; its bytes travel elsewhere, under `object_key`. */
export const Attachment = z.strictObject({
  document_id: z.uuidv4(),
  file_name: z.string().min(1).max(255),
  content_type: z.string().min(1).max(255),
  size_bytes: z.number().int().min(0),
  checksum: z.string().min(1).max(200),
  label: z.string().max(200).nullish(),
  object_key: z.string().min(1).max(1024),
});

export type User = z.infer<typeof User>;
export type Room = z.infer<typeof Room>;
export type Device = z.infer<typeof Device>;
export type DeviceState = z.infer<typeof DeviceState>;
export type HeartRate = z.infer<typeof HeartRate>;
export type BloodPressure = z.infer<typeof BloodPressure>;
export type FallEvent = z.infer<typeof FallEvent>;
export type Automation = z.infer<typeof Automation>;
export type Document = z.infer<typeof Document>;
export type Attachment = z.infer<typeof Attachment>;
