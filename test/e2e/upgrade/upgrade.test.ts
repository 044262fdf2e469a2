/** An upgrade that works: what the operator, the clients and the handlers see of it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { ask, connect } from "../rig/client.ts";
import { getJson } from "../rig/control.ts";
import { startDaemon } from "../rig/daemon.ts";
import { repository } from "../rig/fixtures.ts";
import { installation, noneLeftOver, runUpgrade } from "./installed.ts";

test("the installed version takes over, with the same pid; connections, counters and names go on", async () => {
  using installed = installation();
  await using rig = await startDaemon(
    ({ fixture }) => `
[services.talk]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"

[services.other]
listen  = "127.0.0.1:0"
command = "cat"`,
    { main: installed.main },
  );
  const port = await rig.port("talk");
  await using client = await connect(port);
  expect(await client.command("echo before")).toBe("before");
  const descriptors = rig.descriptors();
  const before = await rig.status();

  installed.install("9.9.9");
  const said = await runUpgrade(rig, "--json");
  expect(said).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(said.stdout)).toEqual({
    version: "9.9.9",
    previous: before.daemon.version,
    gap_ms: expect.any(Number),
  });
  const event = await rig.event("daemon.upgrade");
  expect(event).toMatchObject({ level: "info", version: "9.9.9", previous: before.daemon.version });

  expect(await client.command("echo after")).toBe("after");
  const { events } = (await getJson(rig.controlSocket, "/v1/services/talk")) as {
    events: { event: string }[];
  };
  expect(events.map(({ event }) => event)).toEqual(
    expect.arrayContaining(["service.listening", "connection.accepted", "handler.started"]),
  );
  const after = await rig.status();
  expect(after.daemon).toEqual({ ...before.daemon, version: "9.9.9" });
  // Told from how long ago that was, to the millisecond.
  const [handler] = before.services[0]?.handlers ?? [];
  if (handler !== undefined) handler.started_at = expect.any(String);
  expect(after.services).toEqual(before.services);
  expect(await ask(await rig.port("other"), "new")).toBe("new");
  const accepted = await rig.event("connection.accepted", { service: "other" });
  expect(accepted.connection).toBe(2);
  await rig.event("connection.closed", { service: "other" });
  await noneLeftOver(rig, descriptors);

  // The handler of before ends as any other.
  client.end();
  await client.rest();
  const closed = await rig.event("connection.closed", { service: "talk" });
  expect(closed).toMatchObject({ connection: 1, code: 0, bytes_in: 23, bytes_out: 13 });
  expect(rig.events.filter(({ event }) => event === "daemon.ready")).toHaveLength(1);
});

test("SIGUSR2 does the same, as often as one likes", async () => {
  await using rig = await startDaemon(`
[services.echo]
listen  = "127.0.0.1:0"
command = "cat"`);
  const port = await rig.port("echo");
  await using client = await connect(port);
  let last = await rig.event("daemon.ready");
  for (let round = 1; round <= 3; round++) {
    rig.signal("SIGUSR2");
    last = (await rig.event("daemon.upgrade", {}, { after: last })) as never;
    expect(await client.command(`round ${round}`)).toBe(`round ${round}`);
    expect(await ask(port, "x")).toBe("x");
  }
  expect((await rig.stop()).code).toBe(0);
});

test("what is in force stays in force until a reload, whatever the file says by then", async () => {
  await using rig = await startDaemon(`
[services.kept]
listen  = "127.0.0.1:0"
command = "cat"`);
  const port = await rig.port("kept");
  const asWritten = readFileSync(rig.configPath, "utf8");
  writeFileSync(rig.configPath, "this is no configuration");
  expect(await runUpgrade(rig)).toMatchObject({ code: 0 });
  expect(await ask(port, "kept")).toBe("kept");
  writeFileSync(rig.configPath, `${asWritten}\n[services.added]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n`);
  rig.signal("SIGHUP");
  expect(await rig.event("daemon.reload")).toMatchObject({ added: ["added"], changed: [], unchanged: 1 });
  expect(await ask(port, "kept")).toBe("kept");
  expect(await ask(await rig.port("added"), "added")).toBe("added");
});

test("a service is as it was: paused, stopped, failing, unbound; and goes on from there", async () => {
  await using taken = await startDaemon(`
[services.holder]
listen  = "127.0.0.1:0"
command = "cat"`);
  const takenPort = await taken.port("holder");
  await using rig = await startDaemon(`
[services.paused]
listen  = "127.0.0.1:0"
command = "cat"

[services.off]
listen  = "127.0.0.1:0"
command = "cat"
enabled = false

[services.fails]
listen      = "127.0.0.1:0"
handoff     = "pass"
command     = "false"
start_limit = "1/10s"

[services.unbound]
listen  = "127.0.0.1:${takenPort}"
command = "cat"`);
  await using failing = await connect(await rig.port("fails"));
  await rig.event("service.state", { service: "fails", state: "failed" });
  await control(rig.controlSocket, "/v1/services/paused/pause");
  const states = (await rig.status()).services.map(({ name, state }) => [name, state]);
  expect(states).toEqual([
    ["paused", "paused"],
    ["off", "stopped"],
    ["fails", "failed"],
    ["unbound", "failed"],
  ]);
  expect(await runUpgrade(rig)).toMatchObject({ code: 0 });
  expect((await rig.status()).services.map(({ name, state }) => [name, state])).toEqual(states);

  const port = await rig.port("paused");
  await using waiting = await connect(port);
  waiting.write("hello\n");
  await control(rig.controlSocket, "/v1/services/paused/resume");
  expect(await waiting.line()).toBe("hello");
  await taken.stop();
  const bound = await rig.event("service.listening", { service: "unbound" });
  expect(bound.address).toBe(`tcp://127.0.0.1:${takenPort}`);
  await rig.event("service.recovered", { service: "unbound" });
  await using _ = failing;
});

test("what is the daemon's own goes on too: pid file, HTTP address, a caller's refused farewell", async () => {
  await using rig = await startDaemon(
    ({ directory }) => `
[daemon]
http = "127.0.0.1:0"

[services.full]
listen        = "unix:${directory}/full.sock"
command       = "cat"
max_instances = 1
on_limit      = "refuse"
refusal       = "full\\n"`,
    { args: ["--pid-file", "pid"] },
  );
  const { address } = await rig.event("http.listening");
  const url = `${address.replace("tcp:", "http:")}/v1/status`;
  const path = join(rig.directory, "full.sock");
  await using inside = await connect(path);
  expect(await inside.command("in")).toBe("in");
  expect(await runUpgrade(rig)).toMatchObject({ code: 0 });
  expect(await (await fetch(url)).json()).toMatchObject({ daemon: { pid: rig.pid } });
  expect(await ask(path, "")).toBe("full\n");
  expect(readFileSync(join(rig.directory, "pid"), "utf8")).toBe(`${rig.pid}\n`);
  expect(rig.events.filter(({ event }) => event === "http.listening")).toHaveLength(1);
  await rig.stop();
  expect([existsSync(join(rig.directory, "pid")), existsSync(path)]).toEqual([false, false]);
});

test("who follows the events goes on following them", async () => {
  await using rig = await startDaemon(`
[services.echo]
listen  = "127.0.0.1:0"
command = "cat"`);
  const main = join(repository, "dist/main.js");
  const follower = spawn(process.execPath, [
    main,
    "events",
    "--follow",
    "--json",
    "--control-socket",
    rig.controlSocket,
  ]);
  const lines = createInterface({ input: follower.stdout })[Symbol.asyncIterator]();
  const next = async (name: string) => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`the follower has ended before ${name}`);
      const event = JSON.parse(value);
      if (event.event === name) return event;
    }
  };
  await next("daemon.ready");
  expect(await runUpgrade(rig)).toMatchObject({ code: 0 });
  await next("daemon.upgrade");
  expect(await ask(await rig.port("echo"), "x")).toBe("x");
  expect(await next("connection.accepted")).toMatchObject({ connection: 1 });
  const ended = once(follower, "exit");
  await rig.stop();
  expect(await ended).toEqual([0, null]);
});

async function control(socketPath: string, path: string): Promise<void> {
  const { request } = await import("node:http");
  await new Promise<void>((resolve, reject) => {
    request({ socketPath, path, method: "POST", agent: false }, (response) => {
      response.resume();
      if (response.statusCode === 200) response.on("end", resolve);
      else reject(new Error(`${path}: ${response.statusCode}`));
    })
      .on("error", reject)
      .end("{}");
  });
}
