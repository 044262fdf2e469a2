/** What a process changes of itself: its limits and its program. */
import { expect, test } from "vitest";
import { expectNoLeaks } from "./leaks.ts";
import { failure, node, run, sys } from "./support.ts";

expectNoLeaks();

const { RLIMIT_NOFILE = -1, RLIMIT_CORE = -1 } = sys.constants;

test("limits are read and set, -1 being none", async () => {
  const ran = await run(
    node(`
      const before = sys.getrlimit(${RLIMIT_CORE});
      sys.setrlimit(${RLIMIT_CORE}, 4096, before.hard);
      const { soft, hard } = sys.getrlimit(${RLIMIT_CORE});
      sys.setrlimit(${RLIMIT_CORE}, 0, 0);
      console.log(soft, hard === before.hard, JSON.stringify(sys.getrlimit(${RLIMIT_CORE})));
    `),
  );
  expect(ran.output).toBe('4096 true {"soft":0,"hard":0}\n');
  const all = Object.entries(sys.constants).filter(([name]) => name.startsWith("RLIMIT_"));
  expect(all.length).toBeGreaterThanOrEqual(16);
  expect(all.map(([, resource]) => sys.getrlimit(resource)).some(({ hard }) => hard === -1)).toBe(true);
});

test("a limit that cannot be is refused", () => {
  expect(failure(() => sys.setrlimit(RLIMIT_NOFILE, 11, 10))).toMatchObject({
    code: "EINVAL",
    syscall: "prlimit",
  });
  expect(failure(() => sys.getrlimit(1000))).toMatchObject({ code: "EINVAL" });
  for (const value of [-2, Number.NaN, 2 ** 64]) {
    expect(() => sys.setrlimit(RLIMIT_NOFILE, value, value)).toThrow(TypeError);
  }
});

test("exec replaces the process: same pid, the new environment, only the descriptors that were marked", async () => {
  const ran = await run(
    node(`
      const [lost, kept] = sys.pipe();
      // Node has marked 0 to 2 too.
      for (const fd of [0, 1, 2, kept]) sys.setCloseOnExec(fd, false);
      const script = "echo $$ $A $PATH; ls /proc/self/fd";
      console.log(process.pid, kept);
      sys.exec("/bin/sh", ["sh", "-c", script], ["A=1", "PATH=/bin:/usr/bin"]);
    `),
  );
  const [before = "", after = "", ...numbers] = ran.output.trim().split("\n");
  const [pid = "", kept = ""] = before.split(" ");
  expect(pid).toBe(String(ran.pid));
  expect(after).toBe(`${pid} 1 /bin:/usr/bin`);
  // The last is the one by which ls reads the list.
  expect(numbers.toSorted()).toEqual(["0", "1", "2", "3", kept].toSorted());
});

test("exec that fails throws, and everything goes on", () => {
  expect(failure(() => sys.exec("/nonexistent", ["x"], []))).toMatchObject({
    code: "ENOENT",
    syscall: "execve",
    message: "execve ENOENT: no such file or directory /nonexistent",
  });
});
