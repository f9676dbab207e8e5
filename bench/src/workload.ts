import type { EnqueueInput } from "guardian-sync";

/** About 300 bytes of JSON, as the references were measured. */
export function payloadOf(index: number): { readonly [name: string]: string | number | boolean } {
  return {
    name: `Living room lamp ${index}`,
    model: "LX-2040-B",
    room_id: "0b1f6f0e-3c1d-4f7a-9a64-7c1f3b6a2d11",
    state: index % 2 === 0 ? "on" : "off",
    brightness: index % 101,
    color: "#ffcc88",
    mqtt_topic: `home/living/lamp/${index}`,
    firmware: "4.18.2",
    note: "Set by the evening automation; goes off half an hour after midnight.",
  };
}

export function updateOf(index: number): EnqueueInput {
  return { type: "UPDATE", entityType: "device", entityId: ENTITIES[index % ENTITIES.length] as string, payload: payloadOf(index) };
}

const ENTITIES = Array.from({ length: 1000 }, (_, index) => `6a1f0e7c-0d3b-4c5d-8e9f-${String(index).padStart(12, "0")}`);
