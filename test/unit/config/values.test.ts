/** Every type of the schema: what a wrong value is told, and what a right one becomes. */
import { describe, expect, test } from "vitest";
import { problemLines, service } from "./memory.ts";

const base = '[services.s]\nlisten = 1\ncommand = "cat"\n';

describe("wrong values", () => {
  test.each([
    [
      "stop_timeout = []",
      '4:16: stop_timeout: expected a duration such as "5s", "1h30m" or "off", not an empty list',
    ],
    [
      'stop_timeout = "5 parsecs"',
      '4:16: stop_timeout: expected a duration such as "5s", "1h30m" or "off", not "5 parsecs"',
    ],
    ["stop_timeout = -1", '4:16: stop_timeout: expected a duration such as "5s", "1h30m" or "off", not -1'],
    ["stop_timeout = 1.5", '4:16: stop_timeout: expected a duration such as "5s", "1h30m" or "off", not 1.5'],
    [
      'stop_timeout = "400d"',
      '4:16: stop_timeout: expected a duration such as "5s", "1h30m" or "off", not "400d"',
    ],
    [
      "max_lifetime = 0",
      '4:16: max_lifetime: expected a duration above zero such as "5s", "1h30m" or "off", not 0',
    ],
    ['max_instances = "5"', '4:17: max_instances: expected a whole number of at least 1, not "5"'],
    ["max_instances = 0", "4:17: max_instances: expected a whole number of at least 1, not 0"],
    ["max_instances = 1.5", "4:17: max_instances: expected a whole number of at least 1, not 1.5"],
    [
      'max_per_source = "on"',
      '4:18: max_per_source: expected a whole number of at least 1 or "off", not "on"',
    ],
    ["nice = 20", "4:8: nice: expected a whole number from -20 to 19, not 20"],
    ["enabled = 1", "4:11: enabled: expected true or false, not 1"],
    [
      'rate = "50/fortnight"',
      '4:8: rate: expected a rate such as "50/s", "10/10s" or "600/m burst 100" or "off", not "50/fortnight"',
    ],
    [
      "start_limit = 5",
      '4:15: start_limit: expected a rate such as "50/s", "10/10s" or "600/m burst 100", not 5',
    ],
    ["umask = 18", '4:9: umask: expected permission bits in octal as a text, such as "022", not 18'],
    ['umask = "888"', '4:9: umask: expected permission bits in octal as a text, such as "022", not "888"'],
    ['umask = "1022"', '4:9: umask: expected permission bits in octal as a text, such as "022", not "1022"'],
    [
      'handoff = "stido"',
      '4:11: handoff: expected "stdio", "wait", "listen", "pass" or "proxy", not "stido"; did you mean "stdio"?',
    ],
    [
      'handoff = "builtin"',
      '4:11: handoff: expected "stdio", "wait", "listen", "pass" or "proxy", not "builtin"',
    ],
    ["connection_fd = 1", "4:17: connection_fd: expected 0 or 3, not 1"],
    ["description = 1", "4:15: description: expected a text, not 1"],
    ['description = "a\\u0000"', "4:15: description: a NUL character cannot stand here"],
    ['user = ""', '4:8: user: expected the name or number of a user, not ""'],
    ['user = "a:b"', '4:8: user: expected the name or number of a user, not "a:b"'],
    ['groups = ["a", "b/c"]', '4:16: groups: expected the name or number of a group, not "b/c"'],
    ["groups = true", "4:10: groups: expected a group or a list of them, not true"],
    ['working_directory = "srv"', '4:21: working_directory: expected an absolute path, not "srv"'],
    [
      'working_directory = "~/x"',
      '4:21: working_directory: expected an absolute path, not "~/x"; ~ and $ are not expanded here',
    ],
    ['runtime_directory = ["/run/a", "b"]', '4:32: runtime_directory: expected an absolute path, not "b"'],
    ['environment_file = "-x"', '4:20: environment_file: expected an absolute path, not "-x"'],
    ["environment = 5", "4:15: environment: expected a table of variables, not 5"],
    ['environment = { "A=B" = "x" }', '4:15: environment: "A=B" cannot be the name of a variable'],
    [
      "environment = { A = [] }",
      "4:21: environment.A: expected a text, a number or a boolean, not an empty list",
    ],
    ['pass_environment = ["A", ""]', '4:26: pass_environment: "" cannot be the name of a variable'],
    [
      'limits = { nofile = "many" }',
      '4:21: limits.nofile: expected a limit such as "1024", "1024:HARD" or "unlimited", not "many"',
    ],
    ['limits = { nofile = "4:2" }', "4:21: limits.nofile: the soft limit 4 is above the hard limit 2"],
    [
      'limits = { core = "unlimited:1K" }',
      "4:19: limits.core: the soft limit unlimited is above the hard limit 1024",
    ],
    [
      'limits = { cpu = "1500ms" }',
      '4:18: limits.cpu: expected a limit such as "60s", "60s:HARD" or "unlimited", not "1500ms"',
    ],
    ["limits = { nofiles = 5 }", '4:12: unknown key "nofiles" in limits; did you mean `nofile`?'],
    ["limits = 5", "4:10: limits: expected a table, not 5"],
    [
      'stop_signal = "SIGTREM"',
      '4:15: stop_signal: expected the name of a signal such as "SIGTERM", not "SIGTREM"; did you mean "SIGTERM"?',
    ],
    ['stop_signal = "SIGSTOP"', "4:15: stop_signal: SIGSTOP ends no process"],
    [
      'capabilities = ["NET_BIND_SERVIC"]',
      '4:17: capabilities: expected a capability such as "CAP_NET_BIND_SERVICE", not "NET_BIND_SERVIC"; did you mean "CAP_NET_BIND_SERVICE"?',
    ],
    [
      'stderr = "lgo"',
      '4:10: stderr: expected "inherit", "log", "null", "socket" or an absolute path, not "lgo"; did you mean "log"?',
    ],
    [
      'allow = ["10.0.0.1/8"]',
      '4:10: allow: "10.0.0.1/8" has bits set behind its prefix; the network is 10.0.0.0/8',
    ],
    [
      'deny = ["privat"]',
      '4:9: deny: "privat" is neither an address nor a network such as 10.0.0.0/8; did you mean "private"?',
    ],
    ["allow = 5", "4:9: allow: expected an address or network or a list of them, not 5"],
    [
      'access_times = "8-18"',
      '4:16: access_times: expected hours such as "08:00-18:00" or "Mon-Fri 08:00-18:00", not "8-18"',
    ],
    [
      'access_times = "Mon-Fry 08:00-18:00"',
      '4:16: access_times: expected hours such as "08:00-18:00" or "Mon-Fri 08:00-18:00", not "Mon-Fry 08:00-18:00"',
    ],
    ["max_load = 0", "4:12: max_load: expected a number above 0, not 0"],
    ["max_pressure = { cpu = 101 }", "4:24: max_pressure.cpu: expected a number above 0, up to 100, not 101"],
    [
      'cgroup = { cpu_max = "half" }',
      '4:22: cgroup.cpu_max: expected a share of one processor such as "50%" or "200%", not "half"',
    ],
    [
      'cgroup = { memory_max = "1K" }',
      '4:25: cgroup.memory_max: expected a size such as 4096, "64K" or "1G", at least 4K, not "1K"',
    ],
    ["source_prefix = { v4 = 33 }", "4:24: source_prefix.v4: expected a whole number from 1 to 32, not 33"],
  ])("%s", (line, expected) => {
    expect(problemLines(`${base}${line}\n`)).toEqual([`/t.toml:${expected}`]);
  });

  test.each([
    [
      "ready = { htp = 1 }",
      '5:9: ready: expected "spawn", "connect", "notify", "fd", { http = "/PATH" } or { log = "REGEX" }, not a table',
    ],
    ['ready = { http = "x" }', "5:9: ready: the path of http must begin with /"],
    [
      'ready = "notfy"',
      '5:9: ready: expected "spawn", "connect", "notify", "fd", { http = "/PATH" } or { log = "REGEX" }, not "notfy"; did you mean "notify"?',
    ],
    ["ready = { http = 1 }", "5:18: ready.http: expected the path of a request, not 1"],
    ["workers = { mni = 1 }", '5:13: unknown key "mni" in workers; did you mean `min`?'],
    ["workers = { max = 0 }", "5:19: workers.max: expected a whole number from 1 to 10000, not 0"],
    ["workers = { min = 3, max = 2 }", "5:1: workers.min (3) is above workers.max (2)"],
  ])("of workers: %s", (line, expected) => {
    expect(problemLines(`${base}handoff = "listen"\n${line}\n`)).toEqual([`/t.toml:${expected}`]);
  });

  test("a regular expression is compiled", () => {
    const lines = problemLines(`${base}handoff = "listen"\nready = { log = "(" }\n`);
    expect(lines).toEqual([expect.stringMatching(/^\/t.toml:5:9: ready: log is not a regular expression: /)]);
  });

  test.each([
    ['command = "cat \'x"', `3:11: command: a single quote is not closed: "cat 'x"`],
    ["command = []", "3:11: command: expected a program, not an empty list"],
    ['command = ""', '3:11: command: expected a program, not ""'],
    [
      'command = "bin/x"',
      '3:11: command: the program "bin/x" must be an absolute path, a path that begins with ./, or a name to find along PATH',
    ],
    ['command = ["cat", 5]', "3:19: command: expected a word of the command, not 5"],
    ["command = 5", "3:11: command: expected a program with its arguments, as a list or as one text, not 5"],
  ])("%s", (line, expected) => {
    expect(problemLines(`[services.s]\nlisten = 1\n${line}\n`)).toEqual([`/t.toml:${expected}`]);
  });
});

describe("unknown keys", () => {
  test.each([
    ["max_instance = 5", "did you mean `max_instances`?"],
    ["stop-timeout = 5", "did you mean `stop_timeout`?"],
    ["StopTimeout = 5", "did you mean `stop_timeout`?"],
    ["cps = 5", "did you mean `rate`?"],
    ["WorkingDirectory = 5", "did you mean `working_directory`?"],
    ["cwd = 5", "did you mean `working_directory`?"],
    ["only_from = 5", "did you mean `allow`?"],
    ["ExecStart = 5", "did you mean `command`?"],
    ["qwertyuiop = 5", null],
    ["constructor = 5", null],
    ["__proto__ = 5", null],
  ])("%s: %s", (line, hint) => {
    const name = line.split(" ")[0];
    const expected = `/t.toml:4:1: unknown key "${name}" in [services.s]${hint === null ? "" : `; ${hint}`}`;
    expect(problemLines(`${base}${line}\n`)).toEqual([expected]);
  });

  test("a key that was only misspelled is not reported as missing too", () => {
    expect(problemLines('[services.s]\nlisen = 1\ncmd = "cat"\n')).toEqual([
      '/t.toml:2:1: unknown key "lisen" in [services.s]; did you mean `listen`?',
      '/t.toml:3:1: unknown key "cmd" in [services.s]; did you mean `command`?',
    ]);
  });

  test("in [daemon] and [defaults]", () => {
    expect(problemLines("[daemon]\nlog = { levle = 1 }\nhtpp = 1\n[defaults]\nuesr = 1\n")).toEqual([
      '/t.toml:2:9: unknown key "levle" in log; did you mean `level`?',
      '/t.toml:3:1: unknown key "htpp" in [daemon]; did you mean `http`?',
      '/t.toml:5:1: unknown key "uesr" in [defaults]; did you mean `user`?',
    ]);
  });
});

describe("right values", () => {
  test.each<[string, object]>([
    ['stop_timeout = "1h30m"', { stopTimeout: 5_400_000 }],
    ["stop_timeout = 5", { stopTimeout: 5_000 }],
    ["stop_timeout = 0", { stopTimeout: 0 }],
    ['stop_timeout = "off"', { stopTimeout: null }],
    ['max_per_source = "off"', { maxPerSource: null }],
    ["max_per_source = 3", { maxPerSource: 3 }],
    ['rate = "50/s burst 100"', { rate: { count: 50, perMs: 1000, burst: 100 } }],
    ['rate = "off"', { rate: null }],
    ['umask = "027"', { umask: 0o27 }],
    ['command = ["/bin/sh", "-c", "a b"]', { command: ["/bin/sh", "-c", "a b"] }],
    [`command = "/bin/sh -c 'a b'"`, { command: ["/bin/sh", "-c", "a b"] }],
    ["user = 1000", { user: "1000" }],
    ['groups = "audio"', { groups: ["audio"] }],
    ["groups = []", { groups: [] }],
    ['working_directory = "/srv//app/"', { workingDirectory: "/srv/app" }],
    ['runtime_directory = "/run/x"', { runtimeDirectory: ["/run/x"] }],
    ['environment_file = ["/a", "-/b"]', { environmentFile: ["/a", "-/b"] }],
    [
      'environment = { A = 1, B = true, C = "x", D = 1.5 }',
      { environment: { A: "1", B: "true", C: "x", D: "1.5" } },
    ],
    ['stop_signal = "INT"', { stopSignal: "SIGINT" }],
    ['stderr = "/var/log/x"', { stderr: { file: "/var/log/x" } }],
    ['stderr = "null"', { stderr: "null" }],
    ['capabilities = "net_bind_service"', { capabilities: ["CAP_NET_BIND_SERVICE"] }],
    ['allow = ["10.0.0.0/8", "::ffff:1.2.3.4", "private"]', { allow: ["10.0.0.0/8", "1.2.3.4", "private"] }],
    ["allow = []", { allow: [] }],
    ['access_times = "Fri-Mon 22:00-06:00"', { accessTimes: [{ days: [0, 1, 5, 6], from: 1320, to: 360 }] }],
    [
      'access_times = ["8:00-24:00"]',
      { accessTimes: [{ days: [0, 1, 2, 3, 4, 5, 6], from: 480, to: 1440 }] },
    ],
    ["max_load = 2.5", { maxLoad: 2.5 }],
    ["proxy_protocol = false", { proxyProtocol: null }],
    ['sensor = "1h"', { sensor: 3_600_000 }],
    [
      'cgroup = { memory_max = "1G", cpu_max = "150%" }',
      { cgroup: { memoryMax: 2 ** 30, memoryHigh: null, pidsMax: null, cpuMax: 150, ioWeight: null } },
    ],
  ])("%s", (line, expected) => {
    const text = line.startsWith("command") ? `[services.s]\nlisten = 1\n${line}\n` : `${base}${line}\n`;
    expect(service(text)).toMatchObject(expected);
  });

  test.each<[string, object]>([
    ['nofile = "4096:HARD"', { nofile: { soft: 4096, hard: "hard" } }],
    ["nofile = 4096", { nofile: { soft: 4096, hard: 4096 } }],
    ['core = "0"', { core: { soft: 0, hard: 0 } }],
    ['as = "1G:2G"', { as: { soft: 2 ** 30, hard: 2 ** 31 } }],
    ['cpu = "1m:unlimited"', { cpu: { soft: 60, hard: "unlimited" } }],
    ['stack = "HARD"', { stack: { soft: "hard", hard: "hard" } }],
  ])("limits: %s", (line, expected) => {
    expect(service(`${base}limits = { ${line} }\n`).limits).toMatchObject(expected);
  });
});

test("multicast groups, with and without the interface to join them on", () => {
  const text = (groups: string) =>
    `[services.s]\nlisten = { address = "udp://*:5353", multicast = ${groups} }\nhandoff = "wait"\ncommand = "cat"\n`;
  const groups = ["224.0.0.251", "239.1.2.3%lo", "ff02::fb", "ff02::fb%eth0"];
  expect(service(text(JSON.stringify(groups))).listeners[0]?.options.multicast).toEqual(groups);
  for (const wrong of ["10.0.0.0/8", "192.0.2.1", "fe80::1", "ff02::fb%", "private", "ff02::fb%a b"]) {
    expect(problemLines(text(`["${wrong}"]`))).toEqual([
      expect.stringContaining(`"${wrong}" is not the address of a multicast group`),
    ]);
  }
});
