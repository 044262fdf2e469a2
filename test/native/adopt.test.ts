/** Handlers go along when the daemon executes itself anew: how they end, what reaches them, what they have left. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isStopped } from "../../src/process/proc.ts";
import {
  type Daemon,
  type Handler,
  type Mechanism,
  mechanisms,
  openDaemon,
  readSome,
  SIGKILL,
  SIGTERM,
} from "./adopting.ts";
import { cgroupDirectory } from "./cgroup.ts";
import { expectNoLeaks } from "./leaks.ts";
import { closeAll, readAll, ready, sys } from "./support.ts";

expectNoLeaks();

/** Its end, and that of all that is to end with it. */
async function gone({ started, exit }: Handler, stopping: boolean) {
  const how = await exit;
  await new Promise<void>((resolve) => started.reach.ended(stopping, resolve));
  return how;
}

/** Resolves when the process of that number has ended. */
async function endOf(pid: number): Promise<void> {
  const pidfd = sys.pidfdOpen(pid);
  await ready(pidfd);
  sys.close(pidfd);
}

function close(daemon: Daemon, { input, output }: Handler): void {
  closeAll(input, output);
  daemon.close();
}

const withOthers = mechanisms.filter((mechanism) => mechanism !== "process");

describe.each(mechanisms)("%s", (mechanism) => {
  test("it runs on, and is heard when it ends", async () => {
    const daemon = openDaemon(mechanism);
    const handler = daemon.start('read word; echo "got $word"; exit 42');
    await daemon.upgrade([handler]);
    await daemon.upgrade([handler]);
    sys.write(handler.input, Buffer.from("it\n"));
    expect(await readAll(handler.output)).toBe("got it\n");
    expect(await gone(handler, false)).toMatchObject({ pid: handler.started.pid, code: 42, signal: null });
    close(daemon, handler);
  });

  test("one that has ended meanwhile is told with its own status, and not before it was adopted", async () => {
    const daemon = openDaemon(mechanism);
    const handlers = [3, 4].map((code) => daemon.start(`read word; exit ${code}`));
    await daemon.upgrade(handlers, async () => {
      for (const { started, input } of handlers) {
        sys.write(input, Buffer.from("\n"));
        await endOf(started.pid);
      }
    });
    const exits = await Promise.all(handlers.map((handler) => gone(handler, false)));
    expect(exits.map(({ code }) => code)).toEqual([3, 4]);
    for (const { input, output } of handlers) closeAll(input, output);
    daemon.close();
  });

  test("one that is frozen stays so, and goes on when it is thawed", async () => {
    const daemon = openDaemon(mechanism);
    const handler = daemon.start('exec 3<&0; while read word; do echo "$word"; done <&3 & echo $!; wait');
    const other = Number(await readSome(handler.output));
    const frozen = await new Promise<boolean>((resolve) => handler.started.reach.freeze(resolve));
    expect(frozen).toBe(true);
    await daemon.upgrade([handler]);
    await daemon.upgrade([handler]);
    expect(isHeld(handler.started.pid)).toBe(true);
    expect(isHeld(other)).toBe(mechanism !== "process");
    handler.started.reach.thaw();
    sys.write(handler.input, Buffer.from("awake\n"));
    expect(await readSome(handler.output)).toBe("awake\n");
    // The one waits for the other: both must be awake.
    sys.close(handler.input);
    expect(await gone(handler, false)).toMatchObject({ code: 0 });
    sys.close(handler.output);
    daemon.close();
  });

  test("a stop that waits for it to be awake still comes", async () => {
    const daemon = openDaemon(mechanism);
    const handler = daemon.start("echo up; read word");
    await readSome(handler.output);
    await new Promise((resolve) => handler.started.reach.freeze(resolve));
    handler.started.reach.stop(SIGTERM);
    await daemon.upgrade([handler]);
    await daemon.upgrade([handler]);
    expect(await gone(handler, true)).toMatchObject({ code: null, signal: SIGTERM });
    close(daemon, handler);
  });
});

describe.each(withOthers)("%s, with others", (mechanism) => {
  // A group is left by who begins a session of his own.
  const setsid = mechanism === "group" ? "" : "setsid ";

  test("a stop reaches them as well", async () => {
    const daemon = openDaemon(mechanism);
    const handler = daemon.start(`${setsid}sleep 1000 & echo $!; wait`);
    const other = endOf(Number(await readSome(handler.output)));
    await daemon.upgrade([handler]);
    handler.started.reach.stop(SIGTERM);
    expect(await gone(handler, true)).toMatchObject({ signal: SIGTERM });
    await other;
    close(daemon, handler);
  });

  test("a stop that was still waiting for them to be awake comes afterwards", async () => {
    const daemon = openDaemon(mechanism);
    const handler = daemon.start("sleep 1000 & echo $!; exec cat");
    const other = Number(await readSome(handler.output));
    await new Promise((resolve) => handler.started.reach.freeze(resolve));
    const letGo = await keepAsleep(mechanism, other);
    handler.started.reach.stop(SIGTERM);
    await daemon.upgrade([handler], letGo);
    await daemon.upgrade([handler]);
    expect(await gone(handler, true)).toMatchObject({ signal: SIGTERM });
    close(daemon, handler);
  });

  test("who is left when it has ended is waited for, and killed at the end", async () => {
    const daemon = openDaemon(mechanism);
    const stubborn = `trap "" TERM; ${setsid}sleep 1000 & trap - TERM; echo $!; wait`;
    const handler = daemon.start(stubborn);
    const pid = Number(await readSome(handler.output));
    const other = endOf(pid);
    handler.started.reach.stop(SIGTERM);
    const exit = await handler.exit;
    handler.started.reach.ended(true, () => expect.unreachable());
    await daemon.upgrade([handler]);
    await daemon.upgrade([handler]);
    // It is not told once more.
    void handler.exit.then(() => expect.unreachable());
    const end = new Promise<void>((resolve) => handler.started.reach.ended(true, resolve));
    handler.started.reach.kill();
    await Promise.all([end, other]);
    const saved = handler.started.save(() => expect.unreachable());
    expect(saved).toMatchObject({ pid: handler.started.pid, child: { exit } });
    close(daemon, handler);
  });
});

describe("what a handler has left of its group", () => {
  const leaving = "sleep 1000 & echo $!";

  test("is ended with its service, by whichever image", async () => {
    const daemon = openDaemon("group");
    const handler = daemon.start(leaving);
    const other = endOf(Number(await readSome(handler.output)));
    await gone(handler, false);
    await daemon.upgrade([]);
    await daemon.upgrade([]);
    daemon.processes.stopLeftovers("another");
    daemon.processes.stopLeftovers("test");
    await daemon.processes.leftoversGone();
    await other;
    expect(daemon.events).toMatchObject([{ event: "handler.stopping", pid: handler.started.pid }]);
    close(daemon, handler);
  });

  test("and does not heed its stop is killed after stop_timeout, by the next image", async () => {
    const daemon = openDaemon("group", 1);
    const handler = daemon.start(`trap "" TERM; ${leaving}`);
    const other = endOf(Number(await readSome(handler.output)));
    await gone(handler, false);
    daemon.processes.stopLeftovers("test");
    await daemon.upgrade([]);
    await daemon.processes.leftoversGone();
    await other;
    // It was told already.
    expect(daemon.events).toHaveLength(1);
    close(daemon, handler);
  });
});

/** Whether it was stopped, or its cgroup is frozen. */
function isHeld(pid: number): boolean {
  const directory = cgroupDirectory(pid);
  const events = directory === null ? "" : readFileSync(`${directory}/cgroup.events`, "latin1");
  return isStopped(pid) || events.includes("frozen 1");
}

/** Makes that one of those who are frozen does not wake up when it is thawed. */
async function keepAsleep(mechanism: Mechanism, pid: number): Promise<() => Promise<void>> {
  if (mechanism !== "cgroup") {
    // Its parent never asks for it: it stays, and does not run any more.
    process.kill(pid, SIGKILL);
    await endOf(pid);
    return async () => {};
  }
  const above = join(cgroupDirectory(pid) ?? "", "..", "cgroup.freeze");
  writeFileSync(above, "1");
  return async () => writeFileSync(above, "0");
}
