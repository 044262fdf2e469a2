import { expect, test } from "vitest";
import { fillPath, matchRoute } from "../../../src/control/match.ts";
import { plainRoutes, routes } from "../../../src/control/routes.ts";

test("every row is found by its own method and path, and by nothing else", () => {
  for (const route of [...Object.values(routes), ...Object.values(plainRoutes)]) {
    const { path } = fillPath(route.path, { service: "a", pid: 1, connection: 2 });
    const match = matchRoute(route.method, path);
    expect("route" in match && match.route).toBe(route);
    expect(matchRoute("PATCH", path).kind).toBe("method");
    expect(matchRoute(route.method, `${path}/x/y/z`).kind).toBe("none");
  }
});

test("parameters are decoded, and what is not one goes elsewhere", () => {
  const { path, rest } = fillPath("/v1/services/:service/stop", { service: "a/b c", drain: true });
  expect(path).toBe("/v1/services/a%2Fb%20c/stop");
  expect(rest).toEqual({ drain: true });
  expect(matchRoute("POST", path)).toMatchObject({ kind: "route", parameters: { service: "a/b c" } });
});

test.each(["/v1/services//stop", "/v1/services/%zz/stop", "", "//", "/v1/status/"])(
  "%j is no path",
  (path) => {
    expect(matchRoute("POST", path)).toEqual({ kind: "none" });
  },
);

test("GET changes nothing, and everything else needs the greater role", () => {
  for (const { method, role } of Object.values(routes)) expect(role === "operate").toBe(method !== "GET");
});
