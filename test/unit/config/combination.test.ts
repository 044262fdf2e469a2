/** What goes with what, as the errors tell it. */
import { describe, expect, test } from "vitest";
import { problemLines } from "./memory.ts";

describe("what goes with what", () => {
  const head = (handoff: string, listen: string) =>
    `[services.s]\nlisten = "${listen}"\n${handoff === "builtin" ? 'builtin = "echo"' : `handoff = "${handoff}"`}\n${
      handoff === "builtin" ? "" : 'command = "cat"'
    }\n${handoff === "proxy" ? 'upstream = "unix:/run/up"' : ""}\n`;

  test.each([
    [
      "stdio",
      "unix-dgram:/run/x",
      'handoff = "stdio": it hands over connections, and a datagram socket has none',
    ],
    ["stdio", "fifo:/run/x", 'handoff = "stdio": a fifo has no connections'],
    ["pass", "udp://*:1", 'handoff = "pass": it hands over connections, and a datagram socket has none'],
    ["proxy", "udp://*:1", 'handoff = "proxy": it hands over connections, and a datagram socket has none'],
    ["proxy", "unix-seqpacket:/run/x", 'handoff = "proxy": it relays streams'],
    ["builtin", "unix-dgram:/run/x", "a built-in: they speak on streams and UDP"],
  ])("%s on %s", (handoff, listen, why) => {
    expect(problemLines(head(handoff, listen))).toEqual([
      `/t.toml:2:10: listen: "${listen}" does not go with ${why}`,
    ]);
  });

  test.each([
    ["stdio", "udp://*:1"],
    ["stdio", "unix-seqpacket:/run/x"],
    ["wait", "udp://*:1"],
    ["wait", "fifo:/run/x"],
    ["listen", "unix-dgram:/run/x"],
    ["pass", "unix-seqpacket:/run/x"],
    ["proxy", "unix:/run/x"],
    ["builtin", "unix:/run/x"],
    ["stdio", "systemd:x"],
  ])("%s on %s is fine", (handoff, listen) => {
    expect(problemLines(head(handoff, listen))).toEqual([]);
  });

  test.each([
    [
      "wait",
      "1",
      "max_per_source = 5",
      'max_per_source does not go with handoff = "wait": the handler accepts by itself, tinetd sees no connection',
    ],
    [
      "listen",
      "1",
      'refusal = "x"',
      'refusal does not go with handoff = "listen": the handler accepts by itself, tinetd sees no connection',
    ],
    [
      "listen",
      "1",
      "max_instances = 5",
      'max_instances does not go with handoff = "listen": `workers.max` says how many workers there may be',
    ],
    [
      "stdio",
      "1",
      'ready = "notify"',
      'ready does not go with handoff = "stdio": there is no worker that outlives a connection',
    ],
    [
      "listen",
      "1",
      'ready = "connect"',
      'ready does not go with handoff = "listen": tinetd holds the listener, which always accepts',
    ],
    [
      "stdio",
      "1",
      "workers = { min = 1 }",
      'workers.min does not go with handoff = "stdio": there is no worker that outlives a connection',
    ],
    [
      "proxy",
      "1",
      "workers = { max = 2 }",
      'workers.max does not go with handoff = "proxy": one daemon serves them all',
    ],
    [
      "wait",
      "1",
      "connection_fd = 3",
      'connection_fd does not go with handoff = "wait": a handler is not started for one connection; that is handoff = "stdio"',
    ],
    [
      "stdio",
      "1",
      'upstream = "unix:/x"',
      'upstream does not go with handoff = "stdio": nothing is relayed; that is handoff = "proxy"',
    ],
    [
      "stdio",
      "1",
      'protocol = "node"',
      'protocol does not go with handoff = "stdio": connections are not sent to workers; that is handoff = "pass"',
    ],
    [
      "listen",
      "1",
      'stderr = "socket"',
      'stderr does not go with handoff = "listen": the handler has no one connection',
    ],
    ["builtin", "1", 'user = "x"', "user does not go with a built-in: no process is started"],
    [
      "listen",
      "1",
      'wake_on = "data"',
      'wake_on does not go with handoff = "listen": the worker accepts by itself; `defer_accept` does it in the kernel',
    ],
    [
      "stdio",
      "unix:/run/x",
      'allow = "10.0.0.0/8"',
      "allow goes with TCP, UDP only, and the service has no such listener",
    ],
    [
      "stdio",
      "1",
      'allow_users = "x"',
      "allow_users goes with Unix only, and the service has no such listener",
    ],
    [
      "stdio",
      "udp://*:1",
      'refusal = "x"',
      "refusal goes with streams only, and the service has no such listener",
    ],
    [
      "stdio",
      "udp://*:1",
      'sensor = "1h"',
      "sensor goes with TCP only, and the service has no such listener",
    ],
  ])("%s on %s: %s", (handoff, listen, line, why) => {
    const [only] = problemLines(`${head(handoff, listen)}${line}`);
    expect(problemLines(`${head(handoff, listen)}${line}`)).toHaveLength(1);
    expect(only).toMatch(/^\/t\.toml:6:\d+: /);
    expect(only?.replace(/^\S+ /, "")).toBe(why);
  });

  test("of several listeners one is enough", () => {
    expect(
      problemLines('[services.s]\nlisten = [1, "/run/x"]\ncommand = "cat"\nallow = "::1"\nallow_users = "x"'),
    ).toEqual([]);
  });
});
