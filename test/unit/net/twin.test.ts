/** Which listeners lack the second socket that they could have. What two sockets do is tested with real ones. */
import { expect, test } from "vitest";
import type { ListenerKind } from "../../../src/net/kind.ts";
import { lacksTwin } from "../../../src/net/twin.ts";

const node = { path: "/run/x", device: "1", inode: "2" };
const twin = { fd: 4, node };

test.each<[ListenerKind, boolean]>([
  ["unix", true],
  ["unix-seqpacket", true],
  ["unix-dgram", false],
  ["fifo", false],
])("%s with a node of ours and no twin: %s", (kind, expected) => {
  expect(lacksTwin({ kind, node, twin: null })).toBe(expected);
});

test("none is missing beside one, at an abstract name or a node of somebody else, or over TCP", () => {
  expect(lacksTwin({ kind: "unix", node, twin })).toBe(false);
  expect(lacksTwin({ kind: "unix", node: null, twin: null })).toBe(false);
  expect(lacksTwin({ kind: "tcp", node: null, twin: null })).toBe(false);
});
