import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lastErrorText, plain } from "./last-error.ts";

const same = (text: string): string => text;

describe("last error", () => {
  test("Q4 begins with code and status", () => {
    expect(lastErrorText("UNAUTHORIZED", 401, "token expired", same)).toBe("UNAUTHORIZED 401 token expired");
    expect(lastErrorText("OFFLINE", undefined, "no route", same)).toBe("OFFLINE - no route");
    expect(lastErrorText("TIMEOUT", 504, "", same)).toBe("TIMEOUT 504");
  });
  test("E1 the message is redacted, and no line is broken", () => {
    expect(
      lastErrorText("CONFLICT", 409, "eve@x.org\r\n\u0000wrote\u2028it", (text) => text.replace("eve@x.org", "[REDACTED_EMAIL]")),
    ).toBe("CONFLICT 409 [REDACTED_EMAIL] wrote it");
  });
  test("Q4 no longer than 512 characters, and no half of a character at the end", () => {
    expect(lastErrorText("CONFLICT", 409, "x".repeat(9999), same)).toHaveLength(512);
    for (let shift = 0; shift < 2; shift++) {
      const text = lastErrorText("CONFLICT", 409, "y".repeat(shift) + "😀".repeat(400), same);
      expect(text.length).toBeLessThanOrEqual(512);
      expect(text).toBe(text.toWellFormed());
    }
  });
  test("Q4 holds for any message", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 2000, unit: "grapheme" }), (message) => {
        const text = lastErrorText("INTERNAL_ERROR", 500, message, same);
        expect(text.length).toBeLessThanOrEqual(512);
        expect(text).toMatch(/^INTERNAL_ERROR 500/);
        expect(text).not.toMatch(/[\r\n]/);
      }),
    );
  });
  test("E1 a megabyte is not redacted for 512 characters", () => {
    let read = 0;
    plain("z".repeat(1_000_000), (text) => {
      read = text.length;
      return text;
    });
    expect(read).toBe(4096);
  });
});
