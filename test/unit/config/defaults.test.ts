/** What the defaults of a service come to. */
import { describe, expect, test } from "vitest";
import { positionOf } from "../../../src/config/config.ts";
import { loadValid, problemLines, service } from "./memory.ts";

describe("defaults", () => {
  const text = (handoff: string, more = "") =>
    `[services.s]\nlisten = 1\ncommand = "cat"\nhandoff = "${handoff}"\n${handoff === "proxy" ? 'upstream = "unix:/x"\n' : ""}${more}`;

  test.each<[string, object]>([
    [
      "stdio",
      { idleTimeout: null, stopTimeout: 10_000, killMode: "group", ready: "spawn", replace: "stop-first" },
    ],
    [
      "wait",
      { idleTimeout: 300_000, stopTimeout: 30_000, killMode: "tree", ready: "spawn", replace: "stop-first" },
    ],
    [
      "listen",
      { idleTimeout: 300_000, stopTimeout: 30_000, killMode: "tree", ready: "spawn", replace: "stop-first" },
    ],
    [
      "pass",
      { idleTimeout: 300_000, stopTimeout: 30_000, killMode: "tree", ready: "spawn", replace: "overlap" },
    ],
    [
      "proxy",
      {
        idleTimeout: 300_000,
        stopTimeout: 30_000,
        killMode: "tree",
        ready: "connect",
        replace: "stop-first",
      },
    ],
  ])("by handoff: %s", (handoff, expected) => {
    expect(service(text(handoff))).toMatchObject(expected);
  });

  test("a flow of stdio on UDP ends after 30 s", () => {
    expect(service('[services.s]\nlisten = "udp://*:1"\ncommand = "cat"').idleTimeout).toBe(30_000);
  });

  test("those of the specification", () => {
    expect(service(text("stdio"))).toMatchObject({
      enabled: true,
      argv0: null,
      description: null,
      workers: { min: 0, max: 1, connections: null, maxServed: null },
      protocol: "seqpacket",
      upstreamProxyProtocol: null,
      connectionFd: 0,
      listenPid: "exec",
      startTimeout: 30_000,
      wakeOn: "connect",
      firstByteTimeout: 10_000,
      onDisconnect: "keep",
      onIdle: "stop",
      maxFrozen: 3_600_000,
      maxLifetime: null,
      stopSignal: "SIGTERM",
      restart: "on-failure",
      startLimit: { count: 5, perMs: 10_000, burst: 5 },
      watchdog: null,
      drainTimeout: 30_000,
      maxInstances: 256,
      maxPerSource: null,
      sourcePrefix: { v4: 32, v6: 64 },
      onLimit: "queue",
      rate: null,
      allow: null,
      sensor: null,
      proxyProtocol: null,
      acceptTimeout: 5_000,
      user: null,
      workingDirectory: "/",
      runtimeDirectory: [],
      umask: 0o22,
      environment: {},
      limits: { nofile: { soft: 1024, hard: "hard" }, core: null },
      stderr: "inherit",
      log: "all",
    });
  });

  test("[defaults] stand between ours and the service's own; tables are merged", () => {
    const defaults = `[defaults]
stop_timeout = "20s"
max_instances = 5
environment = { A = "1", B = "1" }
limits = { core = 0 }
workers = { max = 4 }
groups = ["a"]
`;
    const config = loadValid(`${defaults}[services.a]
listen = 1
command = "x"
environment = { B = "2" }
limits = { nofile = 5 }
groups = ["b"]
[services.b]
listen = 2
command = "x"
handoff = "listen"
stop_timeout = "1s"
workers = { min = 1 }
`);
    expect(config.services.get("a")).toMatchObject({
      stopTimeout: 20_000,
      maxInstances: 5,
      environment: { A: "1", B: "2" },
      limits: { core: { soft: 0, hard: 0 }, nofile: { soft: 5, hard: 5 } },
      groups: ["b"],
      // What does not go with stdio is not taken over.
      workers: { min: 0, max: 1 },
    });
    expect(config.services.get("b")).toMatchObject({
      stopTimeout: 1_000,
      maxInstances: 256,
      workers: { min: 1, max: 4 },
    });
  });

  test("who may use a Unix socket is not left out in silence", () => {
    const text = (handoff: string, listen: string) =>
      `[defaults]\nallow_users = ["app"]\n[services.s]\nlisten = "${listen}"\ncommand = "x"\nhandoff = "${handoff}"\n`;
    expect(problemLines(text("listen", "/run/x"))).toEqual([
      '/t.toml:3:1: allow_users of [defaults] does not go with handoff = "listen": the handler accepts by itself, ' +
        "tinetd sees no connection; `mode`, `owner` and `group` of the socket can do it",
    ]);
    expect(service(text("listen", "*:1")).allowUsers).toBeNull();
    expect(service(text("stdio", "/run/x")).allowUsers).toEqual(["app"]);
    expect(service(text("stdio", "*:1")).allowUsers).toBeNull();
  });

  test("keys about one service alone cannot be defaults", () => {
    expect(
      problemLines('[defaults]\nlisten = 1\ncommand = "x"\nuser = 5\nhandoff = "stdio"\nbuiltin = "echo"'),
    ).toEqual([
      '/t.toml:2:1: "listen" cannot stand in [defaults]: it is about one service alone',
      '/t.toml:3:1: "command" cannot stand in [defaults]: it is about one service alone',
      '/t.toml:5:1: "handoff" cannot stand in [defaults]: it is about one service alone',
      '/t.toml:6:1: "builtin" cannot stand in [defaults]: it is about one service alone',
    ]);
  });

  test("a key is found where it stands, in the service or the defaults", () => {
    const found = service(
      '[defaults]\nuser = "x"\n[services.s]\nlisten = [1,\n 2]\ncommand = "y"\nlimits.core = 0\n',
    );
    const at = (key: string) => {
      const { line, column } = positionOf(found, key);
      return [line, column];
    };
    expect(at("user")).toEqual([2, 8]);
    expect(at("listen.1")).toEqual([5, 2]);
    expect(at("limits.core")).toEqual([7, 15]);
    expect(at("limits.nofile")).toEqual([7, 1]);
    expect(at("umask")).toEqual([3, 1]);
    expect(at("constructor")).toEqual([3, 1]);
  });
});
