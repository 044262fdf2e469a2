import { expect, test } from "vitest";
import { connectionMessage, longestMessage, parseWorkerMessage } from "../../../src/handoff/channel.ts";
import { overTcp, overUnix } from "./incoming.ts";

test("a worker is told who connects to what, with credentials only where there are some", () => {
  expect(JSON.parse(connectionMessage("api", overTcp))).toEqual({
    v: 1,
    id: 17,
    service: "api",
    listener: "test",
    remote: { family: "inet", address: "198.51.100.7", port: 51324 },
    local: { family: "inet", address: "192.0.2.1", port: 80 },
  });
  expect(JSON.parse(connectionMessage("api", overUnix))).toMatchObject({
    remote: { family: "unix", path: null },
    local: { family: "unix", path: "/run/x.sock" },
    credentials: { pid: 812, uid: 1000, gid: 100 },
  });
});

test("the longest there can be is one message", () => {
  const path = "\u0001".repeat(107); // Escaped, each is six characters.
  const remote = { family: "unix", path } as const;
  const message = connectionMessage("x".repeat(255), { ...overUnix, remote, local: remote });
  expect(Buffer.byteLength(message)).toBeLessThan(longestMessage);
  expect(message).not.toContain("\n");
});

test("what a worker says is known, or is JSON that means nothing, or is no JSON object", () => {
  expect(parseWorkerMessage('{"done":17}')).toEqual({ type: "done", id: 17 });
  expect(parseWorkerMessage('{"ready":true}')).toEqual({ type: "ready" });
  for (const text of ['{"done":"17"}', '{"done":1.5}', '{"ready":1}', "{}", "[]"]) {
    expect(parseWorkerMessage(text)).toBeNull();
  }
  for (const text of ["", "17", "null", '"done"', "{", "\u0000"]) {
    expect(parseWorkerMessage(text)).toBeUndefined();
  }
});
