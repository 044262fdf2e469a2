/** Signals, to exactly those whom they are meant for. */
import { expect, test } from "vitest";
import { expectNoLeaks } from "./leaks.ts";
import { closeAll, ended, failure, nullDevice, plan, readAll, ready, shell, sys } from "./support.ts";

expectNoLeaks();

const { SIGTERM = -1, SIGKILL = -1, SIGRTMIN = -1 } = sys.constants;

/** A `cat` of a pipe that we hold open: it ends by a signal, or with the pipe. */
function startSleeper() {
  const [read, write] = sys.pipe();
  const cat = plan({ file: "/bin/cat", argv: ["cat"] });
  const child = sys.spawn(sys.prepare(cat), [read, nullDevice, nullDevice], []);
  sys.close(read);
  return { ...child, write };
}

test("to a process by its pidfd, as long as there is one", async () => {
  const sleeper = startSleeper();
  expect(sys.signalProcess(sleeper.pidfd, 0)).toBe(true);
  expect(sys.signalProcess(sleeper.pidfd, SIGTERM)).toBe(true);
  const pidfd = sys.dup(sleeper.pidfd);
  expect(await ended(sleeper)).toMatchObject({ code: null, signal: SIGTERM });
  expect(sys.signalProcess(pidfd, SIGKILL)).toBe(false);
  closeAll(pidfd, sleeper.write);
});

test("a real-time signal arrives as itself", async () => {
  const sleeper = startSleeper();
  sys.signalProcess(sleeper.pidfd, SIGRTMIN);
  expect(await ended(sleeper)).toMatchObject({ signal: SIGRTMIN });
  sys.close(sleeper.write);
});

test("to all of a group, while it has a member", async () => {
  const [output, input] = sys.pipe();
  const [hold, release] = sys.pipe();
  // Two processes that hold the output open; the second is all that is left when the first is gone.
  const script = "cat <&3 & echo; exec cat <&3";
  const child = sys.spawn(sys.prepare(shell(script)), [nullDevice, input, input, hold], []);
  closeAll(input, hold);
  await ready(output);
  expect(sys.signalGroup(child.pid, 0)).toBe(true);
  expect(sys.signalGroup(child.pid, SIGTERM)).toBe(true);
  expect(await readAll(output)).toBe("\n");
  expect(await ended(child)).toMatchObject({ signal: SIGTERM });
  closeAll(output, release);
});

test("false for a group without members", async () => {
  const sleeper = startSleeper();
  sys.signalProcess(sleeper.pidfd, SIGKILL);
  const { pid } = await ended(sleeper);
  expect(sys.signalGroup(pid, SIGTERM)).toBe(false);
  sys.close(sleeper.write);
});

test("never to our own group, to init's or to everybody", () => {
  for (const group of [0, 1, -1, -process.pid]) {
    expect(failure(() => sys.signalGroup(group, 0))).toMatchObject({ code: "EINVAL", syscall: "kill" });
  }
});

test("what is no signal or no pidfd is an error", async () => {
  const sleeper = startSleeper();
  expect(failure(() => sys.signalProcess(sleeper.pidfd, 1000))).toMatchObject({ code: "EINVAL" });
  expect(failure(() => sys.signalProcess(nullDevice, 0))).toMatchObject({
    code: "EBADF",
    syscall: "pidfd_send_signal",
  });
  sys.close(sleeper.write);
  expect(await ended(sleeper)).toMatchObject({ code: 0 });
});
