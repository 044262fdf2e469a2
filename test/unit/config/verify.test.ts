import { expect, test } from "vitest";
import { problemLines } from "./memory.ts";

test("all problems of all services come in one run, in the order of the text", () => {
  expect(
    problemLines(`[daemon]
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
