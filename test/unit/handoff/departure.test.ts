import { expect, test } from "vitest";
import { closesTcp } from "../../../src/handoff/departure.ts";

function sysWhere(attachFilter: () => void) {
  const open = new Set<number>();
  const socket = () => {
    open.add(3);
    return 3;
  };
  return { open, sys: { socket, attachFilter, close: (fd: number) => void open.delete(fd) } };
}

function failing(code: string) {
  return () => {
    throw Object.assign(new Error(code), { code, errno: 1, syscall: "setsockopt" });
  };
}

test("the door of TCP can be closed where a program may be set, and nothing is left open", () => {
  const may = sysWhere(() => {});
  const mayNot = sysWhere(failing("EPERM"));
  expect([closesTcp(may.sys), closesTcp(mayNot.sys)]).toEqual([true, false]);
  const broken = sysWhere(failing("EINVAL"));
  expect(() => closesTcp(broken.sys)).toThrow("EINVAL");
  expect([may, mayNot, broken].map(({ open }) => open.size)).toEqual([0, 0, 0]);
});
