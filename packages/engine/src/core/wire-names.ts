import { isJsonObject, type Json } from "@guardian-sync/protocol";

/** `roomId` → `room_id`, `mqttTopic2` → `mqtt_topic2`, `HTTPServer` → `http_server`. Names that are no camel case stay. */
export function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2")
    .toLowerCase();
}

/** `room_id` → `roomId`. The way back of `snakeCase` for names that were camel case. */
export function camelCase(name: string): string {
  return name.replace(/(?!^)_+([a-z0-9])/g, (_whole, letter: string) => letter.toUpperCase());
}

/**
 * The same JSON with every member renamed, at all depths. Members whose names meet (`roomId` beside `room_id`) would lose
 * one: then the names stay as they are.
 */
export function renameMembers(value: Json, rename: (name: string) => string): Json {
  if (Array.isArray(value)) return value.map((item) => renameMembers(item, rename));
  if (!isJsonObject(value)) return value;
  const names = Object.keys(value);
  const meet = new Set(names.map(rename)).size < names.length;
  return Object.fromEntries(names.map((name) => [meet ? name : rename(name), renameMembers(value[name] as Json, rename)]));
}
