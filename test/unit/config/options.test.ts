import { describe, expect, test } from "vitest";
import { everythingAvailable, notAvailable } from "../../../src/config/availability.ts";
import { serviceFromOptions, serviceOptions } from "../../../src/config/options.ts";
import { formatProblem } from "../../../src/config/problem.ts";
import { serviceTable } from "../../../src/config/schema/index.ts";

function serve(listen: string[], values: Record<string, string>, command: string[], uid = 1000) {
  const result = serviceFromOptions({ listen, values, command }, { uid, availability: everythingAvailable });
  return result.ok ? [...result.value.services.values()] : result.error.map(formatProblem);
}

describe("a service from a command line", () => {
  test("as in tinetd serve 7000 /run/x.sock -- cat -u", () => {
    expect(serve(["7000", "/run/x.sock"], {}, ["/bin/cat", "-u"])).toMatchObject([
      {
        name: "cat",
        command: ["/bin/cat", "-u"],
        handoff: "stdio",
        listeners: [
          { endpoint: { kind: "tcp", port: 7000 } },
          { endpoint: { kind: "unix", path: "/run/x.sock" } },
        ],
        position: { file: "command line", line: 0 },
      },
    ]);
  });

  test.each<[string, string, object]>([
    ["idle_timeout", "5s", { idleTimeout: 5_000 }],
    ["idle_timeout", "30", { idleTimeout: 30_000 }],
    ["idle_timeout", "off", { idleTimeout: null }],
    ["max_instances", "5", { maxInstances: 5 }],
    ["umask", "027", { umask: 0o27 }],
    ["user", "1000", { user: "1000" }],
    ["description", "42", { description: "42" }],
    ["description", "true", { description: "true" }],
    ["enabled", "false", { enabled: false }],
    ["no_new_privileges", "false", { noNewPrivileges: false }],
    ["groups", "audio", { groups: ["audio"] }],
    ["groups", '["audio", "video"]', { groups: ["audio", "video"] }],
    ["environment", '{ A = "b", C = 1 }', { environment: { A: "b", C: "1" } }],
    ["limits", '{ core = "0" }', { limits: { core: { soft: 0, hard: 0 } } }],
    ["refusal", '{"error":"busy"}', { refusal: '{"error":"busy"}' }],
    ["refusal", "[busy]", { refusal: "[busy]" }],
    ["refusal", "[1]", { refusal: "[1]" }],
    ["socket", "{ backlog = 5 }", { listeners: [{ options: { backlog: 5 } }] }],
    ["rate", "5/s", { rate: { count: 5, perMs: 1000, burst: 5 } }],
  ])("--%s %j", (key, text, expected) => {
    expect(serve(["7000"], { [key]: text }, ["cat"])).toMatchObject([expected]);
  });

  test("a built-in has no command", () => {
    expect(serve(["7000"], { builtin: "echo" }, [])).toMatchObject([
      { name: "echo", handoff: "builtin", command: [] },
    ]);
  });

  test.each([
    [["/usr/bin/my prog!"], "myprog"],
    [["/opt/-x"], "service"],
    [["."], "service"],
    [["x".repeat(80)], "x".repeat(64)],
  ])("%j is named %s", (command, name) => {
    expect(serve(["7000"], {}, command)).toMatchObject([{ name }]);
  });
});

describe("problems are told in the words of the command line", () => {
  test.each<[string[], Record<string, string>, string[], number, string[]]>([
    [["70000"], {}, ["cat"], 1000, ['command line: listen: "70000": port 70000 is not between 0 and 65535']],
    [
      ["7"],
      { max_instances: "0" },
      ["cat"],
      1000,
      ["command line: --max-instances: expected a whole number of at least 1, not 0"],
    ],
    [
      ["7"],
      { max_instances: "many" },
      ["cat"],
      1000,
      ['command line: --max-instances: expected a whole number of at least 1, not "many"'],
    ],
    [
      ["7"],
      { handoff: "lisen" },
      ["cat"],
      1000,
      [
        'command line: --handoff: expected "stdio", "wait", "listen", "pass" or "proxy", not "lisen"; did you mean "listen"?',
      ],
    ],
    [
      ["7"],
      { ready: "notify" },
      ["cat"],
      1000,
      [
        'command line: --ready does not go with handoff = "stdio": there is no worker that outlives a connection',
      ],
    ],
    [
      ["7"],
      { limits: "{ nofiles = 5 }" },
      ["cat"],
      1000,
      ['command line: unknown key "nofiles" in limits; did you mean `nofile`?'],
    ],
    [
      ["7"],
      {},
      ["cat"],
      0,
      [
        'command line: service "cat" does not say as whom to run, and the daemon is root; ' +
          "as in --user nobody, or --user root if it must be",
      ],
    ],
    [
      ["7"],
      {},
      ["bin/cat"],
      1000,
      [
        'command line: command: the program "bin/cat" must be an absolute path, a path that begins with ./, or a name to find along PATH',
      ],
    ],
    [
      ["7", "7"],
      {},
      ["cat"],
      1000,
      ["command line: listen: tcp://*:7 is already taken by this service (command line)"],
    ],
  ])("%j %j %j", (listen, values, command, uid, lines) => {
    expect(serve(listen, values, command, uid)).toEqual(lines);
  });
});

test("every key but the address and the command is an option", () => {
  expect(serviceOptions.map(({ key }) => key)).toEqual(
    Object.keys(serviceTable).filter((key) => key !== "listen" && key !== "command"),
  );
  expect(serviceOptions.find(({ key }) => key === "stop_timeout")?.flag).toBe("--stop-timeout");
});

test("the help of an option whose key is refused says so, and no other does", () => {
  const refused = new Set(Object.values(notAvailable.service).flat());
  const said = serviceOptions.filter(({ description }) => description.endsWith("Not available yet."));
  expect(new Set(said.map(({ key }) => key))).toEqual(
    new Set(serviceOptions.map(({ key }) => key).filter((key) => refused.has(key))),
  );
});
