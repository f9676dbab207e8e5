import type { Edit } from "./messages.ts";

/** Device A furnishes the house: rooms, lamps, a person. */
export const FURNISH: readonly Edit[] = [
  { do: "create", entityType: "user", entityId: "ada", payload: { name: "Ada" } },
  { do: "create", entityType: "room", entityId: "kitchen", payload: { name: "Kitchen", type: "kitchen", floor_number: 0 } },
  { do: "create", entityType: "room", entityId: "study", payload: { name: "Study", type: "office", floor_number: 1 } },
  { do: "create", entityType: "device", entityId: "lamp-1", payload: { name: "Lamp", device_type: "lamp", room_id: "study" } },
  { do: "create", entityType: "device", entityId: "lamp-2", payload: { name: "Spots", device_type: "lamp", room_id: "kitchen" } },
  { do: "create", entityType: "device", entityId: "heater", payload: { name: "Heater", device_type: "thermostat", room_id: "study" } },
];

/** Device B, in the cellar without a network: switches, and a pulse before and after the stairs. */
export const IN_THE_CELLAR: readonly Edit[] = [
  { do: "switch", deviceId: "lamp-1", state: { on: true } },
  { do: "switch", deviceId: "lamp-2", state: { on: true } },
  { do: "measure", id: "pulse-1", userId: "ada", bpm: 64 },
  { do: "switch", deviceId: "lamp-1", state: { level: 0.4 } },
  { do: "switch", deviceId: "heater", state: { target: 19 } },
  { do: "create", entityType: "room", entityId: "cellar", payload: { name: "Cellar", type: "cellar", floor_number: -1 } },
  { do: "create", entityType: "device", entityId: "lamp-3", payload: { name: "Cellar light", device_type: "lamp", room_id: "cellar" } },
  { do: "switch", deviceId: "lamp-3", state: { on: true } },
  { do: "measure", id: "pulse-2", userId: "ada", bpm: 97 },
  { do: "switch", deviceId: "lamp-3", state: { on: false } },
  { do: "switch", deviceId: "lamp-2", state: { on: false } },
  { do: "rename", deviceId: "heater", name: "Study heater" },
];

/** Device A, meanwhile, on the same things. */
export const MEANWHILE: readonly Edit[] = [
  { do: "rename", deviceId: "lamp-1", name: "Reading lamp" },
  { do: "rename", deviceId: "lamp-2", name: "Kitchen spots" },
  { do: "switch", deviceId: "heater", state: { mode: "eco" } },
];
