/** How a child has ended: learned by its pidfd, by its pid, and without reaping it. */
import { expect, test } from "vitest";
import { expectNoLeaks } from "./leaks.ts";
import { ended, failure, node, nullDevice, plan, ready, run, shell, sys } from "./support.ts";

expectNoLeaks();

const { SIGKILL = -1, SIGTERM = -1, SIGRTMIN = -1 } = sys.constants;
const sleeper = sys.prepare(plan({ file: "/bin/cat", argv: ["cat"] }));

/** A `cat` that runs until its standard input ends. */
function startSleeper() {
  const [read, write] = sys.pipe();
  const child = sys.spawn(sleeper, [read, nullDevice, nullDevice], []);
  sys.close(read);
  return { ...child, end: () => sys.close(write) };
}

test("null while it runs, also when the pidfd is non-blocking, then its status, then ECHILD", async () => {
  const child = startSleeper();
  expect(sys.wait(child.pidfd)).toBeNull();
  sys.setBlocking(child.pidfd, false);
  expect([sys.wait(child.pidfd), sys.wait(child.pidfd, true)]).toEqual([null, null]);
  child.end();
  await ready(child.pidfd);
  expect(sys.wait(child.pidfd)).toMatchObject({ pid: child.pid, code: 0, signal: null });
  expect(failure(() => sys.wait(child.pidfd))).toMatchObject({ code: "ECHILD", syscall: "waitid" });
  sys.close(child.pidfd);
});

test.each([
  ["exit 0", 0, null],
  ["exit 42", 42, null],
  ["exit 255", 255, null],
  ["kill -TERM $$", null, SIGTERM],
  ["kill -KILL $$", null, SIGKILL],
  [`kill -${SIGRTMIN} $$`, null, SIGRTMIN],
])("%s", async (script, code, signal) => {
  expect(await run(shell(script))).toMatchObject({ code, signal });
});

test("what it has used", async () => {
  const ran = await run(shell("i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done"));
  expect(ran.userMicroseconds + ran.systemMicroseconds).toBeGreaterThan(0);
  expect(ran.maxResidentKilobytes).toBeGreaterThan(100);
});

test("a peek leaves it to be reaped", async () => {
  const child = startSleeper();
  child.end();
  await ready(child.pidfd);
  const peeked = sys.wait(child.pidfd, true);
  expect(peeked).toMatchObject({ pid: child.pid, code: 0 });
  expect(sys.wait(child.pidfd, true)).toEqual(peeked);
  expect(sys.wait(child.pidfd)).toMatchObject({ pid: child.pid, code: 0 });
  sys.close(child.pidfd);
});

test("any ended child is seen without taking its status from whom it belongs to", async () => {
  expect(sys.peekEndedChild()).toBeNull();
  const children = [startSleeper(), startSleeper()] as const;
  expect(sys.peekEndedChild()).toBeNull();
  children[1].end();
  await ready(children[1].pidfd);
  expect([sys.peekEndedChild(), sys.peekEndedChild()]).toEqual([children[1].pid, children[1].pid]);
  await ended(children[1]);
  expect(sys.peekEndedChild()).toBeNull();
  children[0].end();
  await ended(children[0]);
});

test("by pid: null while it runs, its status once, ECHILD for a stranger", async () => {
  const child = startSleeper();
  expect(sys.waitPid(child.pid)).toBeNull();
  child.end();
  await ready(child.pidfd);
  expect(sys.waitPid(child.pid)).toMatchObject({ pid: child.pid, code: 0, signal: null });
  expect(failure(() => sys.waitPid(child.pid))).toMatchObject({ code: "ECHILD" });
  expect(failure(() => sys.waitPid(1))).toMatchObject({ code: "ECHILD" });
  sys.close(child.pidfd);
});

test("a descriptor that is no pidfd is EBADF", () => {
  expect(failure(() => sys.wait(nullDevice))).toMatchObject({ code: "EBADF" });
});

test("orphans of a child become a subreaper's, and nobody else's", async () => {
  // The shell leaves a child behind, which reads until the pipe at 3 ends. Whose child is it then?
  const leaving = shell("cat <&3 >/dev/null & echo $!");
  const script = `
    const plan = sys.prepare(${JSON.stringify(leaving)});
    function statusOfOrphan(subreaper) {
      sys.setSubreaper(subreaper);
      const [output, input] = sys.pipe();
      const [hold, release] = sys.pipe();
      const child = sys.spawn(plan, [0, input, 2, hold], []);
      sys.close(input);
      sys.close(hold);
      const text = Buffer.alloc(100);
      const orphan = Number(text.toString("utf8", 0, sys.read(output, text)));
      while (sys.wait(child.pidfd) === null);
      const look = () => { try { return sys.waitPid(orphan) } catch (error) { return error } };
      const running = look();
      sys.close(release);
      if (running !== null) return running.code;
      for (;;) {
        const exit = look();
        if (exit !== null) return exit.code;
      }
    }
    console.log(statusOfOrphan(true), statusOfOrphan(false));
  `;
  expect((await run(node(script))).output).toBe("0 ECHILD\n");
});

test("a pidfd for a process that is not our child", async () => {
  const fd = sys.pidfdOpen(process.pid);
  expect(failure(() => sys.wait(fd))).toMatchObject({ code: "ECHILD" });
  sys.close(fd);
  const child = startSleeper();
  child.end();
  const { pid } = await ended(child);
  expect(failure(() => sys.pidfdOpen(pid))).toMatchObject({ code: "ESRCH", syscall: "pidfd_open" });
  expect(failure(() => sys.pidfdOpen(-1))).toMatchObject({ code: "EINVAL" });
});
