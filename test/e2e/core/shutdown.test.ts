/** The daemon's own end: what it waits for, for how long, and what it leaves. */
import { constants } from "node:os";
import { expect, test } from "vitest";
import { connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { eventually, isAlive } from "../rig/proc.ts";
import { askReport } from "../rig/report.ts";
import { startFixture } from "./tools.ts";

const { SIGKILL, SIGTERM } = constants.signals;

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} closes the listeners at once, ends the handlers, and the daemon exits with 0`, async () => {
    await using rig = await startFixture('stop_timeout = "1m"');
    const port = await rig.port("fixture");
    await using client = await connect(port);
    const { pid } = await askReport(client);
    await client.command(`catch ${SIGTERM}`);
    rig.signal(signal);
    expect(await client.line()).toBe(`caught ${SIGTERM}`);
    expect(await rig.event("daemon.shutdown")).toMatchObject({ reason: signal });
    await expect(connect(port)).rejects.toThrow("ECONNREFUSED");
    expect(isAlive(pid)).toBe(true);
    expect(await client.command("echo last words")).toBe("last words");
    client.end();
    expect(await rig.exited).toEqual({ code: 0, signal: null });
    expect(isAlive(pid)).toBe(false);
  });
}

test("clients that wait in the backlog are turned away by the end, not kept hanging", async () => {
  await using rig = await startFixture("max_instances = 1");
  const port = await rig.port("fixture");
  await using first = await connect(port);
  await rig.event("service.state", { state: "limited" });
  await using waiting = await connect(port);
  rig.signal("SIGTERM");
  await expect(waiting.rest()).rejects.toThrow("ECONNRESET");
  await first.rest();
  expect(await rig.exited).toEqual({ code: 0, signal: null });
});

test("shutdown_timeout ends all handlers, however long their own time to stop is", async () => {
  await using rig = await startFixture(`
stop_timeout = "10m"
[services.patient]
listen  = "127.0.0.1:0"
command = ["sh", "-c", "trap '' TERM; echo deaf; while :; do read line; done"]
stop_timeout = "off"
[daemon]
shutdown_timeout = "300ms"`);
  await using client = await connect(await rig.port("fixture"));
  await using other = await connect(await rig.port("patient"));
  await client.command(`ignore ${SIGTERM}`);
  expect(await other.line()).toBe("deaf");
  rig.signal("SIGTERM");
  expect(await rig.exited).toEqual({ code: 0, signal: null });
  const signals = rig.events.flatMap((each) => (each.event === "handler.exited" ? [each.signal] : []));
  expect(signals).toEqual(["SIGKILL", "SIGKILL"]);
});

test("a second SIGINT ends at once, with every handler and its group", async () => {
  await using rig = await startFixture('stop_timeout = "10m"');
  await using client = await connect(await rig.port("fixture"));
  await client.command(`ignore ${SIGTERM}`);
  const child = Number(await client.command("fork"));
  rig.signal("SIGINT");
  await rig.event("handler.stopping");
  rig.signal("SIGINT");
  expect(await rig.exited).toEqual({ code: 0, signal: null });
  expect(await rig.event("handler.exited")).toMatchObject({ signal: "SIGKILL" });
  expect(isAlive(child)).toBe(false);
});

test("a child that outlives its handler and still holds its stderr does not keep the daemon from ending", async () => {
  await using rig = await startDaemon(`
[services.leaving]
listen  = "127.0.0.1:0"
command = ["sh", "-c", "sleep 1000 <&- >&- & echo $!"]
kill_mode = "process"
stderr  = "log"`);
  await using client = await connect(await rig.port("leaving"));
  const child = Number(await client.line());
  try {
    await rig.event("handler.exited");
    expect(await rig.stop()).toEqual({ code: 0, signal: null });
    expect(isAlive(child)).toBe(true);
  } finally {
    process.kill(child, SIGKILL);
    await eventually("the child is gone", () => !isAlive(child));
  }
});

test("signals that mean something else do not end the daemon", async () => {
  await using rig = await startFixture();
  for (const signal of ["SIGUSR1", "SIGPIPE", "SIGCHLD", "SIGWINCH"] as const) rig.signal(signal);
  await using client = await connect(await rig.port("fixture"));
  expect(await client.command("echo still here")).toBe("still here");
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  expect(rig.otherLines).toEqual([]);
});
