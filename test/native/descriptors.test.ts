/** What can be done to any descriptor. */
import { describe, expect, test } from "vitest";
import { DISCONNECT, READABLE, WRITABLE } from "../../src/native/sys.ts";
import { expectNoLeaks } from "./leaks.ts";
import { closeAll, closesOnExec, connectedPair, failure, nullDevice, ready, sys } from "./support.ts";

expectNoLeaks();

const { FIONREAD = -1, SIOCOUTQ = -1, SIOCINQ = -1 } = sys.constants;

test("a pipe is blocking and close-on-exec, read end first", () => {
  const [read, write] = sys.pipe();
  expect([read, write].map((fd) => [sys.isBlocking(fd), closesOnExec(fd)])).toEqual([
    [true, true],
    [true, true],
  ]);
  expect(sys.write(write, Buffer.from("abc"))).toBe(3);
  const buffer = Buffer.alloc(8);
  expect(sys.read(read, buffer)).toBe(3);
  expect(buffer.toString("utf8", 0, 3)).toBe("abc");
  sys.close(write);
  expect(sys.read(read, buffer)).toBe(0);
  sys.close(read);
});

test("read and write give null when a non-blocking descriptor would block", () => {
  const [read, write] = sys.pipe();
  for (const fd of [read, write]) sys.setBlocking(fd, false);
  const buffer = Buffer.alloc(64 * 1024);
  expect(sys.read(read, buffer)).toBeNull();
  while (sys.write(write, buffer) !== null);
  expect(sys.write(write, buffer)).toBeNull();
  closeAll(read, write);
});

test("read fills the part of a buffer that it is given", () => {
  const [read, write] = sys.pipe();
  sys.write(write, Buffer.from("xyz").subarray(1));
  const buffer = Buffer.from("......");
  expect(sys.read(read, buffer.subarray(2, 4))).toBe(2);
  expect(buffer.toString()).toBe("..yz..");
  closeAll(read, write);
});

test("poll tells what holds at this moment", () => {
  const [a, b] = sys.socketpair("stream");
  expect(sys.poll(a)).toBe(WRITABLE);
  sys.write(b, Buffer.from("x"));
  expect(sys.poll(a)).toBe(READABLE | WRITABLE);
  sys.close(b);
  expect(sys.poll(a)).toBe(READABLE | WRITABLE | DISCONNECT);
  sys.close(a);
});

test("close frees the number, and a second time is EBADF", () => {
  const fd = sys.dup(nullDevice);
  sys.close(fd);
  expect(failure(() => sys.close(fd))).toMatchObject({ code: "EBADF", errno: -9, syscall: "close" });
  expect(sys.dup(nullDevice)).toBe(fd);
  sys.close(fd);
});

test("dup gives the lowest free number from the least on, close-on-exec", () => {
  const copy = sys.dup(nullDevice, 500);
  expect([copy >= 500, closesOnExec(copy)]).toEqual([true, true]);
  const other = sys.dup(nullDevice);
  expect(other).toBeGreaterThanOrEqual(3);
  expect(other).toBeLessThan(500);
  closeAll(copy, other);
  expect(failure(() => sys.dup(copy))).toMatchObject({ code: "EBADF" });
});

test("blocking belongs to the open file description, close-on-exec to the descriptor", () => {
  const [near, far] = sys.socketpair("stream");
  const copy = sys.dup(near);
  sys.setBlocking(near, false);
  sys.setCloseOnExec(near, false);
  expect([sys.isBlocking(copy), closesOnExec(copy)]).toEqual([false, true]);
  expect([sys.isBlocking(near), closesOnExec(near)]).toEqual([false, false]);
  sys.setBlocking(copy, true);
  sys.setCloseOnExec(near, true);
  expect([sys.isBlocking(near), closesOnExec(near)]).toEqual([true, true]);
  closeAll(near, far, copy);
});

test("what waits in the queues of a connection", async () => {
  const { client, server } = await connectedPair();
  expect(sys.ioctlInt(client, FIONREAD)).toBe(0);
  sys.write(server, Buffer.from("12345"));
  await ready(client);
  expect([sys.ioctlInt(client, FIONREAD), sys.ioctlInt(client, SIOCINQ)]).toEqual([5, 5]);
  closeAll(client, server);
  const [near, far] = sys.socketpair("seqpacket");
  sys.write(near, Buffer.from("12345"));
  expect(sys.ioctlInt(near, SIOCOUTQ)).toBeGreaterThan(0);
  sys.read(far, Buffer.alloc(5));
  expect(sys.ioctlInt(near, SIOCOUTQ)).toBe(0);
  closeAll(near, far);
});

describe("a number that is none", () => {
  test.each([-1, 9999])("%d is EBADF everywhere", (fd) => {
    const buffer = Buffer.alloc(1);
    const operations: (() => unknown)[] = [
      () => sys.read(fd, buffer),
      () => sys.write(fd, buffer),
      () => sys.close(fd),
      () => sys.setBlocking(fd, true),
      () => sys.isBlocking(fd),
      () => sys.setCloseOnExec(fd, true),
      () => sys.poll(fd),
      () => sys.ioctlInt(fd, FIONREAD),
      () => sys.accept(fd),
      () => sys.receiveMessage(fd, buffer),
      () => sys.watch(fd, () => {}),
    ];
    for (const operation of operations) expect(failure(operation).code).toBe("EBADF");
  });

  test.each([1.5, Number.NaN, 2 ** 32, "0", null, undefined])("%s is refused, not rounded", (fd) => {
    expect(() => sys.close(fd as unknown as number)).toThrow(TypeError);
    expect(() => sys.isBlocking(fd as unknown as number)).toThrow("fd must be a 32-bit integer");
  });
});

test("bytes are a Uint8Array and nothing else", () => {
  for (const data of ["text", new ArrayBuffer(1), new Uint16Array(1), [1], null]) {
    expect(() => sys.write(nullDevice, data as unknown as Uint8Array)).toThrow(TypeError);
  }
});
