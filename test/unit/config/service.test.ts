/** One service as a whole: what it must say, what goes with what, and what its defaults come to. */
import { describe, expect, test } from "vitest";
import { positionOf } from "../../../src/config/config.ts";
import { loadValid, problemLines, service } from "./memory.ts";

function lines(text: string, uid = 1000): string[] {
  return problemLines(text, { uid });
}

describe("what a service must say", () => {
  test.each<[string, string[]]>([
    [
      "[services.s]",
      [
        '1:1: service "s" does not say where to listen; as in listen = "*:7000"',
        '1:1: service "s" needs a command; or a `builtin`',
      ],
    ],
    ["[services.s]\nlisten = 1", ['1:1: service "s" needs a command; or a `builtin`']],
    [
      '[services.s]\nlisten = 1\ncommand = "cat"\nbuiltin = "echo"',
      ["3:1: a service has a command or is built in, not both; leave out one of `command` and `builtin`"],
    ],
    [
      '[services.s]\nlisten = 1\nhandoff = "wait"\nbuiltin = "echo"',
      ["3:1: a built-in has no handoff; leave out `handoff`"],
    ],
    [
      '[services.s]\nlisten = "udp://*:7"\nbuiltin = "echo"',
      ["3:1: a built-in on UDP needs an `allow` list, so that it answers no forged address"],
    ],
    ['[services.s]\nlisten = "udp://*:7"\nbuiltin = "echo"\nallow = "loopback"', []],
    ['[services.s]\nlisten = 1\nbuiltin = "banner"', ["3:1: the built-in banner needs the text in `banner`"]],
    [
      '[services.s]\nlisten = 1\nhandoff = "proxy"\ncommand = "cat"',
      ['3:1: handoff = "proxy" needs the address of the daemon in `upstream`'],
    ],
    [
      '[services.s]\nlisten = 1\nhandoff = "proxy"\ncommand = "cat"\nupstream = "*:80"',
      ['5:12: upstream: one host is needed to connect to; "127.0.0.1:80"'],
    ],
    [
      '[services.s]\nlisten = 1\nhandoff = "proxy"\ncommand = "cat"\nupstream = "udp://127.0.0.1:80"',
      ['5:12: upstream: expected tcp://HOST:PORT or unix:/PATH, not "udp://127.0.0.1:80"'],
    ],
    ['[services.s]\nlisten = 1\nhandoff = "proxy"\ncommand = "cat"\nupstream = "unix:/run/x"', []],
    [
      '[services.s]\nlisten = 1\ncommand = "cat"\nproxy_protocol = "v2"',
      ["4:1: proxy_protocol needs `trusted_proxies`: nobody else may say who a client is"],
    ],
    ['[services.s]\nlisten = 1\ncommand = "cat"\nproxy_protocol = "v2"\ntrusted_proxies = "10.0.0.1"', []],
    [
      '[services.s]\nlisten = 1\ncommand = "cat"\ntrusted_proxies = "10.0.0.1"',
      ["4:1: trusted_proxies has no effect without `proxy_protocol`"],
    ],
    [
      '[services.s]\nlisten = 1\ncommand = "cat"\nfirst_byte_timeout = "1s"',
      ['4:1: first_byte_timeout has no effect without `wake_on = "data"`'],
    ],
    [
      '[services.s]\nlisten = 1\ncommand = "cat"\nhandoff = "listen"\nmax_frozen = "2h"',
      ['5:1: max_frozen has no effect without `on_idle = "freeze"`'],
    ],
  ])("%j", (text, expected) => {
    expect(lines(text)).toEqual(expected.map((line) => `/t.toml:${line}`));
  });

  test.each(["a/b", "", "-x", ".", "..", ".hidden", "a b", "ü", "x".repeat(65)])(
    "a name cannot be %j",
    (name) => {
      expect(lines(`[services.${JSON.stringify(name)}]\nlisten = 1\ncommand = "cat"`)).toEqual([
        `/t.toml:1:1: ${JSON.stringify(name)} cannot be the name of a service; a name has 1 to 64 letters, digits and _.-, ` +
          "and begins with a letter, a digit or _",
      ]);
    },
  );

  test.each(["ssh", "a.b-c_1", "0", "_x", "__proto__", "constructor", "x".repeat(64)])(
    "a name can be %j",
    (name) => {
      expect([
        ...loadValid(`[services.${JSON.stringify(name)}]\nlisten = 1\ncommand = "cat"`).services.keys(),
      ]).toEqual([name]);
    },
  );
});

describe("root starts nothing as root because a key was forgotten", () => {
  const text = '[services.s]\nlisten = 1\ncommand = "cat"\n';

  test("no user", () => {
    expect(lines(text, 0)).toEqual([
      '/t.toml:1:1: service "s" does not say as whom to run, and the daemon is root; ' +
        'as in user = "nobody", or user = "root" if it must be',
    ]);
  });

  test.each([
    [`${text}user = "root"`, 0],
    [`[defaults]\nuser = "nobody"\n${text}`, 0],
    ['[services.s]\nlisten = 1\nbuiltin = "echo"', 0],
    [text, 1000],
  ])("%j as uid %d is fine", (fine, uid) => {
    expect(lines(fine, uid)).toEqual([]);
  });

  test("no_new_privileges is on, but for root", () => {
    expect(service(`${text}user = "nobody"`).noNewPrivileges).toBe(true);
    expect(service(text).noNewPrivileges).toBe(true);
    expect(service(`${text}user = "root"`).noNewPrivileges).toBe(false);
    expect(service(`${text}user = 0`).noNewPrivileges).toBe(false);
    expect(service(`${text}user = "root"\nno_new_privileges = true`).noNewPrivileges).toBe(true);
  });
});

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
    expect(lines(head(handoff, listen))).toEqual([
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
    expect(lines(head(handoff, listen))).toEqual([]);
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
    const [only] = lines(`${head(handoff, listen)}${line}`);
    expect(lines(`${head(handoff, listen)}${line}`)).toHaveLength(1);
    expect(only).toMatch(/^\/t\.toml:6:\d+: /);
    expect(only?.replace(/^\S+ /, "")).toBe(why);
  });

  test("of several listeners one is enough", () => {
    expect(
      lines('[services.s]\nlisten = [1, "/run/x"]\ncommand = "cat"\nallow = "::1"\nallow_users = "x"'),
    ).toEqual([]);
  });
});

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

  test("keys about one service alone cannot be defaults", () => {
    expect(
      lines('[defaults]\nlisten = 1\ncommand = "x"\nuser = 5\nhandoff = "stdio"\nbuiltin = "echo"'),
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

test("all problems of all services come in one run, in the order of the text", () => {
  expect(
    lines(`[daemon]
max_connections = 0
[services.a]
listen = ["1.2.3:5", 70000]
handoff = "stido"
comand = "x"
[services.b]
listen = 5
command = "x"
umask = 5
[services.c]
listen = 5
command = "x"
`),
  ).toEqual([
    "/t.toml:2:19: max_connections: expected a whole number of at least 1, not 0",
    '/t.toml:4:11: listen: "1.2.3:5": 1.2.3 is not an IPv4 address',
    "/t.toml:4:22: listen: 70000: port 70000 is not between 0 and 65535",
    '/t.toml:5:11: handoff: expected "stdio", "wait", "listen", "pass" or "proxy", not "stido"; did you mean "stdio"?',
    '/t.toml:6:1: unknown key "comand" in [services.a]; did you mean `command`?',
    '/t.toml:10:9: umask: expected permission bits in octal as a text, such as "022", not 5',
    '/t.toml:12:10: listen: tcp://*:5 is already taken by service "b" (/t.toml:8:10)',
  ]);
});
