/** Names under which a browser may ask us, and those with which a stranger's page would. */
import { expect, test } from "vitest";
import { isLiteralHost } from "../../../src/control/host.ts";

test.each([
  "127.0.0.1",
  "127.0.0.1:9464",
  "10.1.2.3:80",
  "[::1]",
  "[::1]:9464",
  "[fe80::1%eth0]:9464",
  "localhost",
  "localhost:9464",
  "LocalHost",
])("%j is us", (host) => {
  expect(isLiteralHost([host])).toBe(true);
});

test.each([
  "",
  "evil.example",
  "evil.example:9464",
  "localhost.evil.example",
  "evil.localhost",
  "localhost.",
  "127.0.0.1.evil.example",
  "127.0.0.1.",
  "127.1",
  "2130706433",
  "0x7f000001",
  "::1",
  "[::1",
  "[evil.example]",
  "[127.0.0.1]",
  "127.0.0.1:",
  "127.0.0.1:x",
  "127.0.0.1:80:80",
  "evil.example@127.0.0.1",
  " localhost",
])("%j is not", (host) => {
  expect(isLiteralHost([host])).toBe(false);
});

test("none, or one too many, is as good as a wrong one", () => {
  expect(isLiteralHost([])).toBe(false);
  expect(isLiteralHost(["localhost", "evil.example"])).toBe(false);
  expect(isLiteralHost(["localhost", "localhost"])).toBe(false);
});
