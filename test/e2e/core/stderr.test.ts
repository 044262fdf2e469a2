/** Where what a handler writes to descriptor 2 goes. That it is the daemon's own by default is seen in rig.test.ts. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { askReport } from "../rig/report.ts";
import { startFixture } from "./tools.ts";

test('"log": each line is an event with the pid that wrote it, cut and cleaned', async () => {
  await using rig = await startFixture('stderr = "log"');
  await using client = await connect(await rig.port("fixture"));
  const { pid } = await askReport(client);
  await client.command("stderr plain text");
  expect(await rig.event("handler.stderr", { pid })).toMatchObject({
    service: "fixture",
    text: "plain text",
  });

  await client.command("stderr \u001b[31mred\u0007 and \u202eturned");
  await rig.event("handler.stderr", { text: "?[31mred? and ?turned" });

  await client.command(`stderr ${"long ".repeat(20_000)}`);
  const long = await rig.event("handler.stderr", ({ text }) => text.startsWith("long"));
  expect(long.text).toHaveLength(1024);
});

test('"log": what a handler wrote before its end is not lost, with or without a newline', async () => {
  await using rig = await startDaemon(`
[services.dying]
listen  = "127.0.0.1:0"
command = ["sh", "-c", "printf 'first\\\\nlast words' >&2; exit 1"]
stderr  = "log"`);
  await using client = await connect(await rig.port("dying"));
  await client.rest();
  await rig.event("handler.stderr", { text: "first" });
  await rig.event("handler.stderr", { text: "last words" });
});

test('"log": a flood is bounded and counted, and other services do not feel it', async () => {
  const written = 5_000;
  await using rig = await startFixture(`
stderr = "log"
[services.other]
listen  = "127.0.0.1:0"
command = "cat"`);
  await using flooding = await connect(await rig.port("fixture"));
  const flooded = flooding.command(`flood ${written}`);
  await rig.event("handler.stderr", ({ dropped = 0 }) => dropped > 0);
  await using other = await connect(await rig.port("other"));
  other.write("hello\n");
  expect(await other.line()).toBe("hello");
  expect(await flooded).toBe("done");
  flooding.end();
  await flooding.rest();

  const told = () => {
    const events = rig.events.flatMap((each) => (each.event === "handler.stderr" ? [each] : []));
    const dropped = events.reduce((sum, each) => sum + (each.dropped ?? 0), 0);
    return { lines: events.filter((each) => each.dropped === undefined).length, dropped };
  };
  await rig.event("handler.stderr", () => told().lines + told().dropped === written);
  expect(told().lines).toBeGreaterThanOrEqual(100);
  expect(told().dropped).toBeGreaterThan(written / 2);
});

test('"null": it goes nowhere', async () => {
  await using rig = await startFixture('stderr = "null"');
  await using client = await connect(await rig.port("fixture"));
  const { descriptors } = await askReport(client);
  expect(descriptors.find(({ fd }) => fd === 2)?.target).toBe("/dev/null");
});

test('"socket": it goes to the client', async () => {
  await using rig = await startFixture('stderr = "socket"');
  await using client = await connect(await rig.port("fixture"));
  client.write("stderr to the client\n");
  expect([await client.line(), await client.line()]).toEqual(["to the client", "done"]);
});

test("a file: it is appended to, made for its owner and group; where it cannot be, the service fails", async () => {
  await using rig = await startDaemon(({ directory, fixture }) => {
    writeFileSync(join(directory, "old"), "was there\n");
    const service = (name: string, file: string) => `
[services.${name}]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"
stderr  = "${directory}/${file}"
`;
    return service("old", "old") + service("new", "new") + service("nowhere", "no/such/folder");
  });
  const contents = { old: "was there\none\ntwo\n", new: "one\ntwo\n" };
  for (const [name, content] of Object.entries(contents)) {
    await using client = await connect(await rig.port(name));
    await client.command("stderr one");
    await using second = await connect(await rig.port(name));
    await second.command("stderr two");
    expect(readFileSync(join(rig.directory, name), "utf8")).toBe(content);
  }
  expect(statSync(join(rig.directory, "new")).mode & 0o777).toBe(0o640);
  const { reason } = await rig.event("service.failed", { service: "nowhere" });
  expect(reason).toBe(`stderr: ${rig.directory}/no/such/folder: ENOENT`);
});
