import { describe, expect, test } from "vitest";
import { problemLines, service } from "./memory.ts";

const listening = (listen: string, more = "") => `[services.s]\nlisten = ${listen}\ncommand = "cat"\n${more}`;

describe("listen", () => {
  test("an address, a table, a list of both, a range", () => {
    const found = service(
      listening('["127.0.0.1:7", { address = "/run/x", mode = "0660", group = "g" }, 8000, "*:9000-9001"]'),
    );
    expect(
      found.listeners.map(({ endpoint, declared, position }) => [
        endpoint,
        declared,
        position.line,
        position.column,
      ]),
    ).toEqual([
      [{ kind: "tcp", host: "127.0.0.1", family: "any", port: 7 }, "127.0.0.1:7", 2, 11],
      [{ kind: "unix", path: "/run/x" }, "/run/x", 2, 26],
      [{ kind: "tcp", host: null, family: "any", port: 8000 }, "8000", 2, 78],
      [{ kind: "tcp", host: null, family: "any", port: 9000 }, "*:9000-9001", 2, 84],
      [{ kind: "tcp", host: null, family: "any", port: 9001 }, "*:9000-9001", 2, 84],
    ]);
    expect(found.listeners[1]?.options).toMatchObject({
      mode: 0o660,
      group: "g",
      backlog: 4096,
      name: "s",
      owner: null,
    });
  });

  test("options: ours, then socket of the defaults, of the service, then the listener's own", () => {
    const text = `[defaults]
socket = { backlog = 1, no_delay = true, name = "d", mode = "0666" }
[services.s]
listen = ["*:1", { address = "*:2", backlog = 3 }, "/run/x"]
command = "cat"
socket = { backlog = 2, free_bind = true }
`;
    const options = service(text).listeners.map((listener) => listener.options);
    expect(
      options.map(({ backlog, noDelay, freeBind, name, mode }) => ({
        backlog,
        noDelay,
        freeBind,
        name,
        mode,
      })),
    ).toEqual([
      { backlog: 2, noDelay: true, freeBind: true, name: "d", mode: 0o600 },
      { backlog: 3, noDelay: true, freeBind: true, name: "d", mode: 0o600 },
      { backlog: 2, noDelay: false, freeBind: false, name: "d", mode: 0o666 },
    ]);
  });

  test.each<[string, object]>([
    ["keep_alive = true", { keepAlive: { idle: null, interval: null, count: null } }],
    ["keep_alive = { idle = 60 }", { keepAlive: { idle: 60, interval: null, count: null } }],
    ["keep_alive = false", { keepAlive: null }],
    ['receive_buffer = "64K"', { receiveBuffer: 65_536 }],
    ['device = "eth0"', { device: "eth0" }],
    ["tos = 16", { tos: 16 }],
  ])("%s", (option, expected) => {
    expect(service(listening(`{ address = "*:1", ${option} }`)).listeners[0]?.options).toMatchObject(
      expected,
    );
  });

  test.each([
    [
      "[]",
      '2:10: listen: expected an address such as 7000, "127.0.0.1:7000" or "/run/x.sock", not an empty list',
    ],
    ["true", '2:10: listen: expected an address such as 7000, "127.0.0.1:7000" or "/run/x.sock", not true'],
    ["[1.5]", '2:11: listen: expected an address such as 7000, "127.0.0.1:7000" or "/run/x.sock", not 1.5'],
    [
      "[[1]]",
      '2:11: listen: expected an address such as 7000, "127.0.0.1:7000" or "/run/x.sock", not a list',
    ],
    ['{ mode = "0600" }', "2:10: listen: a listener needs an `address`"],
    ['{ adress = "*:1" }', '2:12: unknown key "adress" in listen; did you mean `address`?'],
    ['[{ address = "*:x y" }]', '2:23: listen: "*:x y": "x y" is neither a port nor the name of one'],
    ['["8009-8000"]', '2:11: listen: "8009-8000": the range 8009-8000 is reversed; "8000-8009"'],
    ['{ address = "*:1", bcklog = 5 }', '2:29: unknown key "bcklog" in listen; did you mean `backlog`?'],
    ['{ address = "*:1", user = 5 }', '2:29: unknown key "user" in listen; did you mean `owner`?'],
    [
      '[{ address = "*:1", backlog = "x" }]',
      '2:40: listen.backlog: expected a whole number from 1 to 2147483647, not "x"',
    ],
    [
      '{ address = "*:1", mode = "0660" }',
      "2:29: listen: mode goes with unix, unix-dgram, unix-seqpacket, fifo only",
    ],
    [
      '{ address = "*:1-5", mode = "0660" }',
      "2:31: listen: mode goes with unix, unix-dgram, unix-seqpacket, fifo only",
    ],
    [
      '{ address = "unix:@x", mode = "0660" }',
      "2:33: listen: mode is about a node in the file system, and an abstract name has none",
    ],
    ['{ address = "/run/x", no_delay = true }', "2:32: listen: no_delay goes with tcp only"],
    [
      '{ address = "udp://*:1", backlog = 5 }',
      "2:35: listen: backlog goes with tcp, unix, unix-seqpacket only",
    ],
    ['{ address = "127.0.0.1:1", v6only = true }', "2:37: listen: v6only is about IPv6 addresses"],
    ['{ address = "tcp4://*:1", v6only = true }', "2:36: listen: v6only is about IPv6 addresses"],
    [
      '{ address = "systemd:x", mode = "0600" }',
      "2:35: listen: mode goes with unix, unix-dgram, unix-seqpacket, fifo only",
    ],
    [
      '{ address = "*:1", name = "a:b" }',
      '2:36: listen.name: expected a name of 1 to 255 characters without colons, not "a:b"',
    ],
    ['{ address = "*:1", keep_alive = { idel = 5 } }', "2:51: listen.keep_alive.idel: unknown key"],
    [
      '{ address = "*:1", keep_alive = { idle = 0 } }',
      "2:51: listen.keep_alive.idle: expected a whole number from 1 to 32767, not 0",
    ],
  ])("%s", (listen, line) => {
    expect(problemLines(listening(listen))).toEqual([`/t.toml:${line}`]);
  });

  test("an option of socket must go with some listener", () => {
    expect(
      problemLines(listening('["/run/x", "*:1"]', 'socket = { mode = "0660", no_delay = true }')),
    ).toEqual([]);
    expect(problemLines(listening('"/run/x"', "socket = { mode = '0660', no_delay = true }"))).toEqual([
      "/t.toml:4:27: socket.no_delay goes with no listener of this service",
    ]);
  });
});

describe("one address for two listeners", () => {
  const two = (first: string, second: string, more = "") =>
    problemLines(
      `[services.a]\nlisten = ${first}\ncommand = "x"\n[services.b]\nlisten = ${second}\ncommand = "x"\n${more}`,
    );

  test.each([
    ["7", "7", 'tcp://*:7 is already taken by service "a"'],
    ['"*:7"', '"tcp://*:7"', 'tcp://*:7 is already taken by service "a"'],
    ['"127.0.0.1:7"', '"127.0.0.1:7"', 'tcp://127.0.0.1:7 is already taken by service "a"'],
    ['"[::1]:7"', '"[0::1]:7"', 'tcp://[::1]:7 is already taken by service "a"'],
    ['"*:7"', '"0.0.0.0:7"', 'tcp://0.0.0.0:7 overlaps with tcp://*:7 of service "a"'],
    ['"*:7"', '"127.0.0.1:7"', 'tcp://127.0.0.1:7 overlaps with tcp://*:7 of service "a"'],
    ['"127.0.0.1:7"', '"*:7"', 'tcp://*:7 overlaps with tcp://127.0.0.1:7 of service "a"'],
    ['"[::]:7"', '"127.0.0.1:7"', 'tcp://127.0.0.1:7 overlaps with tcp://[::]:7 of service "a"'],
    ['"tcp6://*:7"', '"[::1]:7"', 'tcp://[::1]:7 overlaps with tcp6://*:7 of service "a"'],
    ['"*:5-9"', '"*:7"', 'tcp://*:7 is already taken by service "a"'],
    ['"*:ssh"', '"*:ssh"', 'tcp://*:ssh is already taken by service "a"'],
    ['"udp://*:7"', '"udp4://*:7"', 'udp4://*:7 overlaps with udp://*:7 of service "a"'],
    ['"localhost:7"', '"localhost:7"', 'tcp://localhost:7 is already taken by service "a"'],
    ['"/run/x"', '"unix:/run//x"', 'unix:/run/x is already taken by service "a"'],
    ['"/run/x"', '"unix-seqpacket:/run/x"', 'unix-seqpacket:/run/x overlaps with unix:/run/x of service "a"'],
    ['"unix:@x"', '"unix:@x"', 'unix:@x is already taken by service "a"'],
    ['"systemd:x"', '"systemd:x"', 'systemd:x is already taken by service "a"'],
    ['"fd:5"', '"fd:5"', 'fd:5 is already taken by service "a"'],
    [
      '{ address = "*:7", reuse_port = true }',
      '{ address = "*:7", reuse_port = true }',
      'tcp://*:7 is already taken by service "a"',
    ],
  ])("%s and %s", (first, second, what) => {
    const lines = two(first, second).filter((line) => !line.includes("does not go with"));
    expect(lines).toEqual([`/t.toml:5:10: listen: ${what} (/t.toml:2:10)`]);
  });

  test.each([
    ["7", "8"],
    ["0", "0"],
    ['"*:7"', '"udp://*:7"'],
    ['"127.0.0.1:7"', '"127.0.0.2:7"'],
    ['"127.0.0.1:7"', '"[::1]:7"'],
    ['"tcp6://*:7"', '"0.0.0.0:7"'],
    ['{ address = "[::]:7", v6only = true }', '"0.0.0.0:7"'],
    ['"tcp4://*:7"', '"tcp6://*:7"'],
    ['"*:ssh"', '"*:22"'],
    ['"localhost:7"', '"127.0.0.1:7"'],
    ['"/run/x"', '"/run/y"'],
    ['"unix:@x"', '"unix-seqpacket:@x"'],
    ['{ address = "*:7", device = "eth0" }', '{ address = "*:7", device = "eth1" }'],
    ['{ address = "*:7", reuse_port = true }', '{ address = "127.0.0.1:7", reuse_port = true }'],
  ])("%s and %s do not meet", (first, second) => {
    expect(two(first, second)).toEqual([]);
  });

  test("within one service", () => {
    expect(problemLines(listening('["*:7", "*:6-8"]'))).toEqual([
      "/t.toml:2:18: listen: tcp://*:7 is already taken by this service (/t.toml:2:11)",
    ]);
  });

  test("a service that is not enabled takes nothing", () => {
    expect(two("7", "7", "enabled = false")).toEqual([]);
  });
});
