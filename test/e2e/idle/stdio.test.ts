/** `idle_timeout` of `stdio`: no handler is ended before its connection was quiet for so long, and none stays after. */
import { expect, test } from "vitest";
import { connect, type Target } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";

const timeoutMs = 600;

test.each(["tcp", "unix"] as const)("%s: a quiet handler ends, a busy one lives", async (kind) => {
  await using rig = await startDaemon(
    ({ directory, fixture }) => `
[services.fixture]
listen       = "${kind === "tcp" ? "127.0.0.1:0" : `unix:${directory}/s`}"
command      = "${fixture("handler")}"
idle_timeout = "${timeoutMs}ms"
`,
  );
  const target: Target = kind === "tcp" ? await rig.port("fixture") : `${rig.directory}/s`;
  await using busy = await connect(target);
  const { pid: busyPid } = await rig.event("handler.started");
  await using quiet = await connect(target);
  const { pid } = await rig.event("handler.started", (event) => event.pid !== busyPid);
  expect(await quiet.command("echo last words")).toBe("last words");
  const lastByte = Date.now();
  const stopping = rig.event("handler.stopping");
  let stopped = false;
  void stopping.then(() => {
    stopped = true;
  });
  while (!stopped) expect(await busy.command("echo on")).toBe("on");
  expect(await stopping).toMatchObject({ pid, reason: "idle_timeout" });
  // The answer reaches us some milliseconds after its last byte has left, as the kernel counts.
  expect(Date.parse((await stopping).time) - lastByte).toBeGreaterThanOrEqual(timeoutMs - 20);
  expect((await quiet.rest()).toString()).toBe("");
  expect(await busy.command("echo still here")).toBe("still here");
});
