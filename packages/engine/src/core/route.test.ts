import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { collectionRoute, type RenderedRoute, type Route, renderRoute } from "./route.ts";

const ID = "0b8f9c6e-6b1c-4b7e-9d0a-3f1f7f1f2a3b";
const render = (route: Route, payload: Parameters<typeof renderRoute>[0]["payload"] = {}, entityId = ID): RenderedRoute =>
  renderRoute({ route, entityId, payload });
const path = (rendered: RenderedRoute): string => (rendered.ok ? rendered.path : rendered.code);

describe("route", () => {
  const state: Route = { method: "POST", path: "/api/v1/devices/{device_id}/state" };

  test("A2 a path parameter comes from the payload and leaves the body", () => {
    expect(render(state, { device_id: "d1", on: true })).toEqual({
      ok: true,
      method: "POST",
      path: "/api/v1/devices/d1/state",
      payload: { on: true },
    });
    expect(path(render({ method: "POST", path: "/a/{n}" }, { n: 7 }))).toBe("/a/7");
  });
  test("A2 without one, an id is the entity's", () => {
    expect(render(state, { on: true })).toMatchObject({ path: `/api/v1/devices/${ID}/state`, payload: { on: true } });
    expect(path(render({ method: "POST", path: "/x/{deviceId}" }))).toBe(`/x/${ID}`);
    expect(path(render({ method: "POST", path: "/x/{slug}", idParameter: "slug" }))).toBe(`/x/${ID}`);
  });
  test("A2 the entity's id fills one parameter, never two", () => {
    const nested: Route = { method: "PATCH", path: "/rooms/{room_id}/devices/{device_id}", idParameter: "device_id" };
    expect(render(nested, { name: "x" })).toMatchObject({ ok: false, code: "MISSING_PATH_PARAMETER", parameter: "room_id" });
    expect(render(nested, { room_id: "r1", name: "x" })).toMatchObject({ path: `/rooms/r1/devices/${ID}`, payload: { name: "x" } });
    expect(render({ method: "PATCH", path: "/{a_id}/{b_id}" }, {})).toMatchObject({ parameter: "b_id" });
  });
  test.each([{}, { slug: "" }, { slug: null }, { slug: true }, { slug: {} }, { slug: "." }, { slug: ".." }, []])(
    "A2 a parameter that is missing or no path segment is an error as data: %j",
    (payload) => {
      const rendered = render({ method: "POST", path: "/x/{slug}" }, payload);
      expect(rendered).toMatchObject({ ok: false, code: "MISSING_PATH_PARAMETER", parameter: "slug" });
      if (!rendered.ok) expect(rendered.problem).toContain("/x/{slug} needs slug");
    },
  );
  test("A2 an inherited member is no parameter", () => {
    expect(path(render({ method: "POST", path: "/x/{toString}" }))).toBe("MISSING_PATH_PARAMETER");
  });
  test("A2 whatever stands in a parameter stays inside its segment", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (value) => {
        const rendered = render({ method: "POST", path: "/a/{v}/b" }, { v: value });
        // Refused, above.
        fc.pre(value !== "." && value !== "..");
        expect(path(rendered)).toMatch(/^\/a\/[^/?#]+\/b$/);
        expect(new URL(path(rendered), "https://x.example").pathname).toBe(path(rendered));
      }),
    );
  });

  test("A3 the default routes of a collection", () => {
    expect(render(collectionRoute("CREATE", "devices"), { name: "x" })).toEqual({
      ok: true,
      method: "POST",
      path: "/api/v1/devices",
      payload: { id: ID, name: "x" },
    });
    expect(render(collectionRoute("CREATE", "devices"), { id: "own", name: "x" })).toMatchObject({ payload: { id: "own", name: "x" } });
    expect(render(collectionRoute("UPDATE", "devices"), { name: "x" })).toMatchObject({ method: "PATCH", path: `/api/v1/devices/${ID}` });
    expect(render(collectionRoute("DELETE", "devices", "/v2"), null)).toEqual({
      ok: true,
      method: "DELETE",
      path: `/v2/devices/${ID}`,
      payload: null,
    });
    expect(path(render(collectionRoute("CREATE", "a/b"), {}))).toBe("/api/v1/a%2Fb");
  });
});
