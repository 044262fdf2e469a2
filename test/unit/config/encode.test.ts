import { describe, expect, test } from "vitest";
import { notAvailable } from "../../../src/config/availability.ts";
import type { Config } from "../../../src/config/config.ts";
import { encodeConfig } from "../../../src/config/encode.ts";
import { serviceTable } from "../../../src/config/schema/index.ts";
import type { Key } from "../../../src/config/schema/key.ts";
import { writeToml, writeValue } from "../../../src/config/toml-writer.ts";
import { loadValid, service } from "./memory.ts";

/** A configuration without the places where it stands. */
function meaning({ daemon, services }: Config): unknown {
  const plain = [...services.values()].map(
    ({ position: _position, keyPositions: _keys, listeners, ...rest }) => ({
      ...rest,
      listeners: listeners.map(({ endpoint, options }) => ({ endpoint, options })),
    }),
  );
  return { daemon, services: plain };
}

const configurations = {
  nothing: "",
  "the least": '[services.s]\nlisten = 1\ncommand = "cat"\n',
  "every handoff": `
[daemon]
control_socket = "/run/c.sock"
http = "[::1]:9464"
never_ban = ["10.0.0.0/8"]
log = { level = "debug", destination = "/var/log/x" }
[defaults]
stop_timeout = "off"
environment = { A = "1" }
limits = { core = "0", cpu = "1m:HARD" }
max_per_source = 5
rate = "5/s burst 9"
workers = { max = 3 }
user = "nobody"
ready = "notify"
refusal = "no"
[services.stdio]
listen = ["*:1-3", "udp://*:1", { address = "/run/a", mode = "0666", name = "n" }]
command = "cat 'a b'"
rate = "off"
stderr = "socket"
socket = { keep_alive = { idle = 5 }, backlog = 1 }
environment = { B = "\\u0007\\"\\\\\\u007f", "C D" = "é" }
[services."wait.x"]
listen = ["udp6://[::1]:5", "fifo:/run/f"]
handoff = "wait"
command = ["x", ""]
access_times = ["Mon-Fri 08:00-18:00", "22:00-02:00"]
[services.listen]
listen = ["systemd:http", "fd:7", "unix:@abc"]
handoff = "listen"
command = "x"
ready = { log = "^up\\\\b" }
stderr = "log"
workers = { min = 1 }
on_idle = "freeze"
max_frozen = "2d"
[services.pass]
listen = "*:10"
handoff = "pass"
command = "x"
protocol = "node"
workers = { connections = 5, max_served = 10 }
proxy_protocol = "any"
trusted_proxies = ["10.0.0.1"]
wake_on = "data"
[services.proxy]
listen = "*:11"
handoff = "proxy"
command = "x"
upstream = "unix:/run/up"
upstream_proxy_protocol = "v1"
cgroup = { memory_max = "1G", cpu_max = "50%" }
max_pressure = { cpu = 80.5 }
capabilities = ["net_raw"]
enabled = false
[services.builtin]
listen = "*:12"
builtin = "echo"
allow = ["loopback", "::1"]
[services.unix]
listen = { address = "/run/u", owner = "a", group = "b" }
command = "x"
allow_users = ["a"]
groups = []
no_new_privileges = false
`,
};

describe("what show prints", () => {
  test.each(Object.entries(configurations))("means the same when it is read again: %s", (_, text) => {
    const config = loadValid(text);
    const printed = writeToml(encodeConfig(config));
    const again = loadValid(printed);
    expect(meaning(again)).toEqual(meaning(config));
    expect(writeToml(encodeConfig(again))).toBe(printed);
  });

  test("also where only some keys are available, as long as none of the others is set", () => {
    const text = '[services.s]\nlisten = [1, "/run/x"]\ncommand = "cat"\nuser = "nobody"\n';
    const real = { availability: notAvailable };
    const printed = writeToml(encodeConfig(loadValid(text, real)));
    expect(meaning(loadValid(printed, real))).toEqual(meaning(loadValid(text, real)));
  });

  test("says every key that has a meaning", () => {
    const printed = encodeConfig(loadValid(configurations["the least"]));
    expect(Object.keys(printed)).toEqual(["daemon", "services"]);
    expect(printed).toMatchObject({
      services: {
        s: { listen: ["tcp://*:1"], handoff: "stdio", command: ["cat"], stop_timeout: "10s", umask: "022" },
      },
    });
  });
});

describe("each key by itself", () => {
  const handoffFor: Record<string, string> = {
    builtin: 'builtin = "echo"',
    protocol: 'handoff = "pass"',
    upstream: 'handoff = "proxy"',
    upstream_proxy_protocol: 'handoff = "proxy"\nupstream = "unix:/run/x"',
    max_frozen: 'handoff = "listen"\non_idle = "freeze"',
    first_byte_timeout: 'wake_on = "data"',
    proxy_protocol: 'trusted_proxies = "::1"',
    trusted_proxies: 'proxy_protocol = "v2"',
    accept_timeout: 'proxy_protocol = "v2"\ntrusted_proxies = "::1"',
  };
  const workerKeys = ["ready", "start_timeout", "watchdog", "replace", "restart", "on_idle", "drain_timeout"];
  const skipped = ["listen", "handoff", "command"];
  const rows = Object.entries<Key<unknown>>(serviceTable).filter(([key]) => !skipped.includes(key));

  test.each(rows)("%s: its example survives", (key, { example }) => {
    const extra =
      handoffFor[key] ??
      (workerKeys.includes(key) ? 'handoff = "listen"' : key === "workers" ? 'handoff = "pass"' : "");
    const command = key === "builtin" ? "" : 'command = "cat"';
    const own = extra.startsWith(`${key} `) ? "" : `${key} = ${writeValue(example)}`;
    const text = `[services.s]\nlisten = ["*:1", "/run/s"]\n${command}\n${extra}\n${own}\n`;
    const config = loadValid(text);
    expect(meaning(loadValid(writeToml(encodeConfig(config))))).toEqual(meaning(config));
    expect(service(text)).toBeDefined();
  });
});

describe("writing TOML", () => {
  test.each([
    ['a"b\\c\n\t\u0000\u007f\u001bé', String.raw`"a\"b\\c\n\t\u0000\u007f\u001bé"`],
    [5, "5"],
    [0.5, "0.5"],
    [true, "true"],
    [[], "[]"],
    [[1, ["a"]], '[1, ["a"]]'],
    [{}, "{}"],
    [{ a: 1, "b c": { d: "e" } }, '{ a = 1, "b c" = { d = "e" } }'],
  ])("%j", (value, text) => {
    expect(writeValue(value)).toBe(text);
  });

  test("sections", () => {
    const document = {
      include: ["a"],
      daemon: { log: { level: "info" } },
      services: { "a.b": { listen: 1 }, c: {} },
    };
    expect(writeToml(document)).toBe(
      'include = ["a"]\n\n[daemon]\nlog = { level = "info" }\n\n[services."a.b"]\nlisten = 1\n\n[services.c]\n',
    );
  });
});
