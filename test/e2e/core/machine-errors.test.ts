/** What a service needs and the machine does not have makes that one service failed, until it is there. */
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ask } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { asRoot, needs } from "../rig/needs.ts";
import { startFixture, statusOf } from "./tools.ts";

needs(asRoot)("each such service says what is missing, and the others serve", async () => {
  await using rig = await startDaemon(
    ({ directory }) => `
[services.fine]
listen  = "127.0.0.1:0"
command = "cat"

[services.program]
listen  = "127.0.0.1:0"
command = "${directory}/no-program"

[services.name]
listen  = "127.0.0.1:0"
command = "tinetd-test-no-such-program"

[services.nobody]
listen  = "127.0.0.1:0"
command = "cat"
user    = "tinetd-no-user"

[services.place]
listen  = "127.0.0.1:0"
command = "cat"
working_directory = "${directory}/nowhere"

[services.variables]
listen  = "127.0.0.1:0"
command = "cat"
environment_file = "${directory}/variables"`,
  );
  expect(await ask(await rig.port("fine"), "hello")).toBe("hello");
  const enoent = "no such file or directory";
  const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const reasons = {
    program: `command: ${rig.directory}/no-program: ${enoent}`,
    name: `command: "tinetd-test-no-such-program" is not in ${path}`,
    nobody: 'user: there is no user "tinetd-no-user"',
    place: `working_directory: ${rig.directory}/nowhere: ${enoent}`,
    variables: `environment_file: ${rig.directory}/variables: ${enoent}`,
  };
  for (const [service, reason] of Object.entries(reasons)) {
    const failed = await rig.event("service.failed", { service });
    expect(failed).toMatchObject({ level: "error", reason, retry_ms: 1000 });
    const { state, listeners, failure } = await statusOf(rig, service);
    expect({ state, listeners }).toEqual({ state: "failed", listeners: [] });
    expect(failure).toContain(reason);
  }
  expect((await rig.event("daemon.ready")).failed).toBe(5);
});

needs(asRoot)("all that a service lacks is told at once", async () => {
  await using rig = await startFixture('user = "tinetd-no-user"\nworking_directory = "/tinetd-nowhere"');
  expect((await rig.event("service.failed")).reason).toBe(
    "working_directory: /tinetd-nowhere: no such file or directory; " +
      'user: there is no user "tinetd-no-user"',
  );
});

test("what is put there is found, and the service recovers", async () => {
  await using rig = await startDaemon(
    ({ directory, fixture }) => `
[services.late]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}-copy"
working_directory = "${directory}/work"`,
  );
  await rig.event("service.failed", { service: "late" });
  mkdirSync(join(rig.directory, "work"));
  copyFileSync(join(rig.directory, "handler"), join(rig.directory, "handler-copy"));
  await rig.event("service.recovered", { service: "late" });
  expect(await ask(await rig.port("late"), "echo here\n")).toBe("here\n");
  await rig.event("connection.closed");
  expect(await statusOf(rig)).toMatchObject({ state: "listening", failure: null });
});
