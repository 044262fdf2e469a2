/** Pids and numbers of connections may be the same: then `kill` does not guess. */
import { expect, test } from "vitest";
import type { Connection } from "../../../src/cli/connection.ts";
import { kindOf } from "../../../src/cli/kill.ts";
import { routes } from "../../../src/control/routes.ts";

/** A daemon that knows only these. */
function daemonWith(handlers: readonly object[], connections: readonly object[]): Connection {
  const ask = async (route: unknown) => (route === routes.handlers ? handlers : connections);
  return { socket: "/nonexistent", ask } as unknown as Connection;
}

const handler = { pid: 10, service: "ssh" };
const both = daemonWith(
  [handler],
  [
    { id: 10, service: "web" },
    { id: 11, service: "web" },
    { id: null, service: "db" },
  ],
);

test("a number that is both is refused, and both are named", async () => {
  await expect(kindOf(both, 10)).rejects.toThrow(
    '10 is a handler of "ssh" and a connection of "web": say --handler or --connection',
  );
});

test("a number that is one of them is that, and another nothing", async () => {
  expect(await kindOf(both, 11)).toBe("connection");
  expect(await kindOf(daemonWith([handler], []), 10)).toBe("handler");
  await expect(kindOf(both, 12)).rejects.toThrow("12 is no handler and no connection of this daemon");
});
