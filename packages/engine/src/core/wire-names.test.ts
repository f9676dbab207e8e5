import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { camelCase, renameMembers, snakeCase } from "./wire-names.ts";

describe("names on the wire", () => {
  test.each([
    ["roomId", "room_id"],
    ["mqttTopic2", "mqtt_topic2"],
    ["HTTPServer", "http_server"],
    ["room_id", "room_id"],
    ["name", "name"],
    ["floor2Plan", "floor2_plan"],
  ])("A2 %s becomes %s", (camel, snake) => {
    expect(snakeCase(camel)).toBe(snake);
  });
  test("A2 there and back again", () => {
    const word = fc.stringMatching(/^[a-z]{2,8}$/);
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
        const camel = words.map((one, i) => (i === 0 ? one : one[0]!.toUpperCase() + one.slice(1))).join("");
        expect(camelCase(snakeCase(camel))).toBe(camel);
      }),
    );
    expect(camelCase("_private_name")).toBe("_privateName");
  });
  test("A2 members are renamed at all depths, values are not", () => {
    expect(renameMembers({ roomId: "roomId", list: [{ deviceId: 1 }], none: null }, snakeCase)).toEqual({
      room_id: "roomId",
      list: [{ device_id: 1 }],
      none: null,
    });
  });
  test("A2 members whose names meet keep them: none is lost", () => {
    const both = { roomId: 1, room_id: 2, inner: { deviceId: 3 } };
    expect(renameMembers(both, snakeCase)).toEqual({ roomId: 1, room_id: 2, inner: { device_id: 3 } });
  });
});
