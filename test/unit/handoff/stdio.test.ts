import { describe, expect, test } from "vitest";
import type { StandardDescriptors } from "../../../src/handoff/handoff.ts";
import { startStdio } from "../../../src/handoff/stdio.ts";
import { overTcp, overUnix } from "./incoming.ts";

const connection = overTcp.fd;
const nothing = 8;
const log = 9;
const standard: StandardDescriptors = { nothing, stderr: log, chosen: new Set() };

describe("the descriptors", () => {
  test.each([
    [0, log, [connection, connection, log]],
    [0, "connection", [connection, connection, connection]],
    [3, log, [nothing, log, log, connection]],
    [3, "connection", [nothing, connection, connection, connection]],
  ] as const)("connection_fd = %i, stderr %s", (connectionFd, stderr, expected) => {
    expect(startStdio(overTcp, connectionFd, { ...standard, stderr }).descriptors).toEqual(expected);
  });
});

describe("the variables", () => {
  test("tell of the connection and of nothing else", () => {
    expect(startStdio(overTcp, 0, standard).variables).toEqual([
      "PROTO=TCP",
      "TCPREMOTEIP=198.51.100.7",
      "TCPREMOTEPORT=51324",
      "TCPLOCALIP=192.0.2.1",
      "TCPLOCALPORT=80",
      "REMOTE_ADDR=198.51.100.7",
      "REMOTE_PORT=51324",
      "REMOTE_HOST=198.51.100.7",
      "TINETD_CONNECTION=17",
    ]);
    expect(startStdio(overUnix, 0, standard).variables).toEqual([
      "PROTO=UNIX",
      "UNIXLOCALPATH=/run/x.sock",
      "TINETD_CONNECTION=17",
      "UNIXREMOTEPID=812",
      "UNIXREMOTEEUID=1000",
      "UNIXREMOTEEGID=100",
    ]);
  });

  test("leave out those that the service sets itself, by their whole name", () => {
    const chosen = new Set(["REMOTE_HOST", "REMOTE", "TCP"]);
    const { variables } = startStdio(overTcp, 0, { ...standard, chosen });
    expect(variables).not.toContainEqual(expect.stringMatching(/^REMOTE_HOST=/));
    expect(variables).toHaveLength(8);
  });
});
