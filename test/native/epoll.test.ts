/** Edges: above all, how the sender on a Unix socket learns that what it sent has been received. */
import { openSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Fd, READABLE } from "../../src/native/sys.ts";
import { expectNoLeaks } from "./leaks.ts";
import { closeAll, ended, failure, node, nullDevice, ready, sys } from "./support.ts";

expectNoLeaks();

const { EPOLLIN = 0, EPOLLOUT = 0, EPOLLET = 0, EPOLLERR = 0, EPOLLHUP = 0 } = sys.constants;
const { SIOCOUTQ = 0, SOL_SOCKET = 0, SO_ERROR = 0 } = sys.constants;
const { SO_SNDBUF = 0 } = sys.constants;

/** The least that a message adds to the send queue, header and all. */
const leastCost = 768;

/** A seqpacket pair whose near end is watched for edges of EPOLLOUT, the first of which has been taken. */
function channel(): { epoll: Fd; near: Fd; far: Fd } {
  const [near, far] = sys.socketpair("seqpacket");
  const epoll = sys.epoll();
  sys.epollAdd(epoll, near, EPOLLOUT | EPOLLET);
  expect(sys.epollWait(epoll)).toEqual([{ fd: near, events: EPOLLOUT }]);
  expect(sys.epollWait(epoll)).toEqual([]);
  return { epoll, near, far };
}

const unreceived = (fd: Fd) => sys.ioctlInt(fd, SIOCOUTQ);

/** Takes one message and closes what it brought. */
function receive(fd: Fd): number | undefined {
  const message = sys.receiveMessage(fd, Buffer.alloc(8192));
  for (const got of message?.fds ?? []) sys.close(got);
  return message?.length;
}

describe("a message with a descriptor", () => {
  test("is announced when it has been received, and not before", async () => {
    const { epoll, near, far } = channel();
    sys.sendMessage(near, Buffer.alloc(300), null, [nullDevice]);
    expect(sys.epollWait(epoll)).toEqual([]);
    expect(unreceived(near)).toBeGreaterThanOrEqual(leastCost);
    const noticed = ready(epoll);
    expect(receive(far)).toBe(300);
    expect(await noticed).toBe(READABLE);
    expect(sys.epollWait(epoll)).toEqual([{ fd: near, events: EPOLLOUT }]);
    expect(unreceived(near)).toBe(0);
    expect(sys.epollWait(epoll)).toEqual([]);
    closeAll(epoll, near, far);
  });

  test("adds as much to the queue as its size class, and takes it with it", () => {
    const { epoll, near, far } = channel();
    const sizes = [1, 100, 300, 500, 1000, 2000, 4096];
    const costs = sizes.map((size) => {
      const before = unreceived(near);
      sys.sendMessage(near, Buffer.alloc(size), null, [nullDevice]);
      return unreceived(near) - before;
    });
    for (const [i, cost] of costs.entries())
      expect(cost).toBeGreaterThanOrEqual(Math.max(leastCost, sizes[i] ?? 0));
    for (const [i, cost] of costs.entries()) {
      const before = unreceived(near);
      expect(receive(far)).toBe(sizes[i]);
      expect(before - unreceived(near)).toBe(cost);
      expect(sys.epollWait(epoll)).toHaveLength(1);
    }
    expect(unreceived(near)).toBe(0);
    closeAll(epoll, near, far);
  });

  test("is announced late while more than a quarter of the send buffer is taken", () => {
    const { epoll, near, far } = channel();
    const quarter = sys.getsockopt(near, SOL_SOCKET, SO_SNDBUF) / 4;
    while (unreceived(near) <= quarter) sys.sendMessage(near, Buffer.alloc(300), null, [nullDevice]);
    sys.sendMessage(near, Buffer.alloc(300), null, [nullDevice]);
    receive(far);
    expect(sys.epollWait(epoll)).toEqual([]);
    receive(far);
    expect(sys.epollWait(epoll)).toHaveLength(1);
    closeAll(epoll, near, far);
  });

  test("that the receiver leaves unread when it goes is told from one that it has read", () => {
    const unread = channel();
    sys.sendMessage(unread.near, Buffer.alloc(300), null, [nullDevice]);
    sys.close(unread.far);
    expect(sys.epollWait(unread.epoll)).toEqual([
      { fd: unread.near, events: EPOLLOUT | EPOLLERR | EPOLLHUP },
    ]);
    expect(unreceived(unread.near)).toBe(0);
    expect(sys.getsockopt(unread.near, SOL_SOCKET, SO_ERROR)).toBe(104); // ECONNRESET
    closeAll(unread.epoll, unread.near);

    const read = channel();
    sys.sendMessage(read.near, Buffer.alloc(300), null, [nullDevice]);
    receive(read.far);
    sys.close(read.far);
    expect(sys.epollWait(read.epoll)).toEqual([{ fd: read.near, events: EPOLLOUT | EPOLLHUP }]);
    expect(sys.getsockopt(read.near, SOL_SOCKET, SO_ERROR)).toBe(0);
    closeAll(read.epoll, read.near);
  });

  test("is noticed every time, also when another process receives it at any moment", async () => {
    const { epoll, near, far } = channel();
    const receiver = sys.spawn(
      sys.prepare(
        node(`
          const buffer = Buffer.alloc(1024);
          for (;;) {
            const { length, fds } = sys.receiveMessage(0, buffer) ?? { length: -1, fds: [] };
            if (length === 0) break;
            fds.forEach((fd) => sys.close(fd));
          }
        `),
      ),
      [far, 1, 2],
      [],
    );
    sys.close(far);
    await new Promise<void>((resolve) => {
      let left = 5000;
      const send = () => sys.sendMessage(near, Buffer.alloc(300), null, [nullDevice]);
      const watch = sys.watch(epoll, () => {
        sys.epollWait(epoll);
        // A byte of it stays in the queue until the kernel has told us: 0 would sometimes not be seen.
        if (unreceived(near) >= leastCost) return;
        if (--left > 0) send();
        else resolve(watch.close());
      });
      watch.start(READABLE);
      send();
    });
    closeAll(epoll, near);
    expect((await ended(receiver)).code).toBe(0);
  });
});

test("without EPOLLET what holds is reported every time", () => {
  const [near, far] = sys.socketpair("stream");
  const epoll = sys.epoll();
  sys.epollAdd(epoll, near, EPOLLIN);
  expect(sys.epollWait(epoll)).toEqual([]);
  sys.write(far, Buffer.from("x"));
  for (let i = 0; i < 3; i++) expect(sys.epollWait(epoll)).toEqual([{ fd: near, events: EPOLLIN }]);
  sys.epollRemove(epoll, near);
  expect(sys.epollWait(epoll)).toEqual([]);
  closeAll(epoll, near, far);
});

test("more than one wait takes are there for the next", () => {
  const epoll = sys.epoll();
  const pairs = Array.from({ length: 70 }, () => sys.socketpair("stream"));
  for (const [near] of pairs) sys.epollAdd(epoll, near, EPOLLOUT | EPOLLET);
  const first = sys.epollWait(epoll).map(({ fd }) => fd);
  const second = sys.epollWait(epoll).map(({ fd }) => fd);
  expect([first.length, second.length]).toEqual([64, 6]);
  expect([...first, ...second].toSorted((a, b) => a - b)).toEqual(
    pairs.map(([near]) => near).toSorted((a, b) => a - b),
  );
  closeAll(epoll, ...pairs.flat());
});

test("what cannot be is an error", () => {
  const epoll = sys.epoll();
  const [near, far] = sys.socketpair("stream");
  const file = openSync("/etc/hostname", "r");
  sys.epollAdd(epoll, near, EPOLLIN);
  expect(failure(() => sys.epollAdd(epoll, near, EPOLLIN))).toMatchObject({
    code: "EEXIST",
    syscall: "epoll_ctl",
  });
  expect(failure(() => sys.epollAdd(epoll, file, EPOLLIN)).code).toBe("EPERM");
  expect(failure(() => sys.epollAdd(epoll, 9999, EPOLLIN)).code).toBe("EBADF");
  expect(failure(() => sys.epollRemove(epoll, far)).code).toBe("ENOENT");
  expect(failure(() => sys.epollWait(near))).toMatchObject({ code: "EINVAL", syscall: "epoll_wait" });
  closeAll(epoll, near, far, file);
});
