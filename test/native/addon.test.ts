/** The addon as a whole: what it exports, and that its sources are clean. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isSystemError, loadSys, type Sys } from "../../src/native/sys.ts";
import { expectNoLeaks } from "./leaks.ts";
import { failure, plan, sys } from "./support.ts";

expectNoLeaks();

/** Every member of the interface: the compiler sees to it that none is missing. */
const members: Record<keyof Sys, string> = {
  socket: "function",
  socketpair: "function",
  bind: "function",
  listen: "function",
  accept: "function",
  connect: "function",
  getsockname: "function",
  getpeername: "function",
  getsockopt: "function",
  getsockoptBytes: "function",
  setsockopt: "function",
  shutdown: "function",
  peerCredentials: "function",
  socketCookie: "function",
  attachFilter: "function",
  sendMessage: "function",
  receiveMessage: "function",
  read: "function",
  write: "function",
  close: "function",
  dup: "function",
  setBlocking: "function",
  isBlocking: "function",
  setCloseOnExec: "function",
  pipe: "function",
  poll: "function",
  ioctlInt: "function",
  watch: "function",
  relay: "function",
  epoll: "function",
  epollAdd: "function",
  epollRemove: "function",
  epollWait: "function",
  prepare: "function",
  spawn: "function",
  spawnAll: "function",
  wait: "function",
  peekEndedChild: "function",
  waitPid: "function",
  pidfdOpen: "function",
  signalProcess: "function",
  signalGroup: "function",
  setSubreaper: "function",
  getrlimit: "function",
  setrlimit: "function",
  exec: "function",
  lookupUser: "function",
  lookupGroup: "function",
  groupList: "function",
  getxattr: "function",
  sealedFile: "function",
  readAt: "function",
  lockFile: "function",
  makeFifo: "function",
  exchangePaths: "function",
  inetDiag: "function",
  inetDiagOne: "function",
  unixDiag: "function",
  bindNetlink: "function",
  inetDiagEvents: "function",
  interfaceIndex: "function",
  servicePort: "function",
  constants: "object",
  spawnStages: "object",
};

test("it exports the interface, no less and no more", () => {
  expect(Object.fromEntries(Object.entries(sys).map(([name, value]) => [name, typeof value]))).toEqual(
    members,
  );
  expect(loadSys()).toBe(sys);
});

describe("constants", () => {
  test("are Node's, where Node has them", () => {
    for (const [name, number] of Object.entries(constants.signals)) {
      if (name in sys.constants) expect([name, sys.constants[name]]).toEqual([name, number]);
    }
    expect(Object.keys(sys.constants).filter((name) => /^SIG[A-Z]/.test(name)).length).toBeGreaterThan(30);
  });

  test("are frozen numbers, at least those that tinetd is written with", () => {
    expect(Object.isFrozen(sys.constants)).toBe(true);
    for (const number of Object.values(sys.constants)) expect(Number.isInteger(number)).toBe(true);
    expect(sys.constants).toMatchObject({
      SOL_SOCKET: 1,
      IPPROTO_TCP: 6,
      CAP_NET_BIND_SERVICE: 10,
      SIGRTMIN: 34,
    });
  });
});

describe("errors", () => {
  test("are Node's own in shape", () => {
    const error = failure(() => sys.close(9999));
    expect(isSystemError(error)).toBe(true);
    expect(error).toBeInstanceOf(Error);
    expect({ ...error }).toEqual({ code: "EBADF", errno: -9, syscall: "close" });
    expect(error.message).toBe("close EBADF: bad file descriptor");
  });

  test("have a name also where libuv has none", () => {
    expect(failure(() => sys.waitPid(1))).toMatchObject({
      code: "ECHILD",
      message: "waitid ECHILD: no child processes",
    });
  });

  test("of a caller's making are TypeErrors that name the argument", () => {
    expect(() => sys.listen(0, "many" as unknown as number)).toThrow("backlog must be a 32-bit integer");
    expect(() => sys.socket("appletalk" as "inet", "stream")).toThrow(
      "domain must be one of the names in sys.ts",
    );
    expect(() => sys.shutdown(0, "sideways-and-back-again" as "read")).toThrow("how must be");
    expect(() => (sys.listen as () => void)()).toThrow(TypeError);
  });

  test("a plan is checked when it is prepared", () => {
    const wrong: object[] = [
      { file: "/bin/sh\0" },
      { argv: ["a\0b"] },
      { argv: "sh" },
      { environment: [1] },
      { umask: "022" },
      { umask: -1 },
      { limits: [{ resource: 0, soft: -2, hard: 0 }] },
      { limits: [null] },
      { capabilities: [64] },
      { capabilities: [-1] },
      { credentials: { uid: 0 } },
      { noNewPrivileges: 1 },
      { workingDirectory: undefined },
    ];
    for (const change of wrong) expect(() => sys.prepare({ ...plan(), ...change })).toThrow(TypeError);
    expect(() => sys.prepare(null as unknown as ReturnType<typeof plan>)).toThrow("plan must be a SpawnPlan");
  });

  test("a spawn takes a prepared plan and lists of the right kind", () => {
    const prepared = sys.prepare(plan());
    expect(() => sys.spawn({} as typeof prepared, [], [])).toThrow("plan must be a PreparedPlan");
    expect(() => sys.spawn(prepared, ["0" as unknown as number], [])).toThrow("descriptors must be");
    expect(() => sys.spawn(prepared, [], ["A=\0"])).toThrow("variables must be free of NUL");
    expect(() => sys.spawn(prepared, [], [], 1.5)).toThrow("cgroup must be");
  });
});

test("the sources compile without a warning", { timeout: 60_000 }, () => {
  const native = new URL("../../src/native", import.meta.url).pathname;
  const config = readFileSync(join(native, "build/config.gypi"), "utf8").replace(/^#.*\n/, "");
  const { nodedir } = JSON.parse(config).variables;
  const sources = readdirSync(join(native, "c")).filter((name) => name.endsWith(".c"));
  const flags = [
    "-std=gnu11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wvla",
    "-Wstrict-prototypes",
    "-Werror",
  ];
  const include = ["-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", `-isystem${nodedir}/include/node`];
  for (const source of sources) {
    const compiler = spawnSync("cc", [...flags, ...include, "-fsyntax-only", join(native, "c", source)], {
      encoding: "utf8",
    });
    expect(compiler.stderr).toBe("");
  }
});
