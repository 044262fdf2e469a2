/** What a service must say because of something else that it says. */
import { describe, expect, test } from "vitest";
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
    [
      '[services.s]\nlisten = 1\nhandoff = "pass"\ncommand = "x"\nready = { http = "/" }',
      ["5:1: ready = { http } cannot reach a worker of pass, which accepts nothing before it is ready"],
    ],
    [
      '[services.s]\nlisten = 1\nhandoff = "listen"\ncommand = "x"\nready = { log = "up" }',
      ['5:1: ready = { log } reads what the worker writes on its stderr; it needs stderr = "log"'],
    ],
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
