/** Reload: what changes does, what does not is not touched, and nobody who is there notices. */
import { expect, test } from "vitest";
import { statusOf } from "../core/tools.ts";
import { connect } from "../rig/client.ts";
import { listenerInode } from "./inode.ts";
import { startReloadable } from "./tools.ts";

const service = (name: string, listen: string, command: string, keys = "") =>
  `[services.${name}]\nlisten = ${listen}\ncommand = ${command}\n${keys}\n`;

test("a service is added, one changes, one is removed, one is not touched at all", async () => {
  const { rig, reload, place } = await startReloadable(({ handler }) =>
    ["stays", "changes", "goes"].map((name) => service(name, '"127.0.0.1:0"', `"${handler}"`)).join(""),
  );
  await using _ = rig;
  const ports = {
    stays: await rig.port("stays"),
    changes: await rig.port("changes"),
    goes: await rig.port("goes"),
  };
  const inodes = { stays: listenerInode(ports.stays), changes: listenerInode(ports.changes) };
  await using leaving = await connect(ports.goes);
  await leaving.command("echo in");

  const text = [
    service("stays", '"127.0.0.1:0"', `"${place.handler}"`),
    service("changes", '"127.0.0.1:0"', `["${place.handler}", "other"]`, "max_instances = 3"),
    service("comes", '"127.0.0.1:0"', `"${place.handler}"`),
  ].join("");
  const plan = await reload(text);
  expect(plan).toMatchObject({
    generation: 2,
    added: ["comes"],
    removed: ["goes"],
    changed: [{ service: "changes", keys: ["command", "max_instances"], workers: "replaced", failure: null }],
    unchanged: 1,
    ended: 0,
  });
  expect(await rig.event("daemon.reload")).toMatchObject({
    added: ["comes"],
    removed: ["goes"],
    unchanged: 1,
  });
  expect({ stays: listenerInode(ports.stays), changes: listenerInode(ports.changes) }).toEqual(inodes);
  await using newcomer = await connect(await rig.port("comes"));
  expect(await newcomer.command("echo hello")).toBe("hello");
  await expect(connect(ports.goes)).rejects.toThrow("ECONNREFUSED");
  expect(await leaving.command("echo still")).toBe("still");
  leaving.end();
  await leaving.rest();
  expect((await rig.event("handler.exited")).signal).toBeNull();
});

test("the same text again changes nothing, and a dry run only says what would", async () => {
  const one = (handler: string, keys = "") => service("it", '"127.0.0.1:0"', `"${handler}"`, keys);
  const { rig, reload, place } = await startReloadable(({ handler }) => one(handler));
  await using _ = rig;
  expect(await reload(one(place.handler))).toMatchObject({ generation: 1, changed: [], unchanged: 1 });
  const changed = one(place.handler, 'umask = "077"');
  const planned = await reload(changed, { dry_run: true });
  expect(planned).toMatchObject({ generation: 1, changed: [{ service: "it", keys: ["umask"] }] });
  expect(await reload(changed)).toMatchObject({ generation: 2, changed: [{ service: "it" }] });
});

test("an error in the text leaves everything as it was, and is told with its position", async () => {
  const { rig, reload, place } = await startReloadable(({ handler }) =>
    service("it", '"127.0.0.1:0"', `"${handler}"`),
  );
  await using _ = rig;
  const broken = `${service("it", '"127.0.0.1:0"', `"${place.handler}"`)}umsk = "077"\n`;
  await expect(reload(broken)).rejects.toThrow(/^400: .*"line":5,"column":1,.*did you mean `umask`/);
  expect(await rig.event("daemon.reload")).toMatchObject({
    generation: 1,
    error: expect.stringContaining("umsk"),
  });
  await using client = await connect(await rig.port("it"));
  expect(await client.command("echo served")).toBe("served");
});

test("SIGHUP does the same", async () => {
  const { rig, write, place } = await startReloadable(({ handler }) =>
    service("one", '"127.0.0.1:0"', `"${handler}"`),
  );
  await using _ = rig;
  write(service("two", '"127.0.0.1:0"', `"${place.handler}"`));
  rig.signal("SIGHUP");
  expect(await rig.event("daemon.reload")).toMatchObject({ added: ["two"], removed: ["one"] });
  await using client = await connect(await rig.port("two"));
  expect(await client.command("echo served")).toBe("served");
});

test("a service under another name keeps its port and who waits there", async () => {
  const { rig, reload, place } = await startReloadable(({ handler }) =>
    service("old", '"127.0.0.1:0"', `"${handler}"`),
  );
  await using _ = rig;
  const port = await rig.port("old");
  // Now by its number, so that it is the same address under the other name.
  await reload(service("old", `"127.0.0.1:${port}"`, `"${place.handler}"`));
  const inode = listenerInode(port);
  await reload(service("new", `"127.0.0.1:${port}"`, `"${place.handler}"`));
  expect(listenerInode(port)).toBe(inode);
  await using client = await connect(port);
  expect(await client.command("echo served")).toBe("served");
  expect(await statusOf(rig, "new")).toMatchObject({ accepted: 1 });
});

test("rules change for the next connection, with those that are in counted", async () => {
  const text = (handler: string, most: number) =>
    service("it", '"127.0.0.1:0"', `"${handler}"`, `max_instances = ${most}`);
  const { rig, reload, place } = await startReloadable(({ handler }) => text(handler, 1));
  await using _ = rig;
  const port = await rig.port("it");
  await using first = await connect(port);
  await first.command("echo in");
  await using second = await connect(port);
  const answer = second.command("echo second");
  expect((await statusOf(rig)).state).toBe("limited");
  expect(await reload(text(place.handler, 2))).toMatchObject({ changed: [{ workers: "kept" }] });
  expect(await answer).toBe("second");
  expect(await first.command("echo still")).toBe("still");
  expect((await statusOf(rig)).state).toBe("limited");
});

test("what is not on this machine leaves that service as it was, and the others follow", async () => {
  const { rig, reload, place } = await startReloadable(
    ({ handler }) =>
      service("it", '"127.0.0.1:0"', `"${handler}"`) + service("other", '"127.0.0.1:0"', `"${handler}"`),
  );
  await using _ = rig;
  const plan = await reload(
    service("it", '"127.0.0.1:0"', '"/nonexistent/program"') +
      service("other", '"127.0.0.1:0"', `"${place.handler}"`, 'umask = "077"'),
  );
  expect(plan.changed).toMatchObject([
    { service: "it", failure: expect.stringContaining("/nonexistent/program") },
    { service: "other", failure: null },
  ]);
  await using client = await connect(await rig.port("it"));
  expect(await client.command("echo served")).toBe("served");
  // Not forgotten: the next reload tries it again.
  const again = await reload(
    service("it", '"127.0.0.1:0"', `["${place.handler}", "again"]`) +
      service("other", '"127.0.0.1:0"', `"${place.handler}"`, 'umask = "077"'),
  );
  expect(again.changed).toMatchObject([{ service: "it", failure: null }]);
});
