/** Each metric moves when what it counts happens, as a real client sees it happen. */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { startFixture, statusOf } from "../core/tools.ts";
import { ask, connect, readAll } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import type { Rig } from "../rig/rig.ts";
import { type Scrape, scrape } from "./scrape.ts";
import { call } from "./tools.ts";

const cat = `[services.cat]
listen = "127.0.0.1:0"
command = "cat"
max_instances = 1
on_limit = "refuse"
`;
/** What the rig adds to a text by itself. */
const user = process.getuid?.() === 0 ? '[defaults]\nuser = "nobody"\n' : "";

test("a connection, one that is refused, and what the first has carried", async () => {
  await using rig = await startDaemon(cat);
  const port = await rig.port("cat");
  const before = await scrape(rig);
  expect(before.of("cat", "accepted_total")).toBe(0);
  expect(before.of("cat", "refused_total", 'reason="limit"')).toBeUndefined();
  expect(before.of("cat", "state", 'state="listening"')).toBe(1);
  {
    await using client = await connect(port);
    client.write("hello\n");
    expect(await client.line()).toBe("hello");
    expect(await readAll(port)).toBe("");
    const during = await scrape(rig);
    expect(during.of("cat", "accepted_total")).toBe(1);
    expect(during.of("cat", "refused_total", 'reason="limit"')).toBe(1);
    expect(during.of("cat", "open_connections")).toBe(1);
    expect(during.of("cat", "handlers")).toBe(1);
    expect(during.of("cat", "spawned_total")).toBe(1);
    expect(during.of("cat", "state", 'state="active"')).toBe(1);
    expect(during.of("cat", "state", 'state="listening"')).toBe(0);
    expect(during.of("cat", "handler_duration_seconds_count")).toBeUndefined();
    expect(during.value("tinetd_open_connections")).toBe(1);
    client.end();
    await client.rest();
  }
  await rig.event("connection.closed");
  const after = await scrape(rig);
  expect(after.of("cat", "received_bytes_total")).toBe("hello\n".length);
  expect(after.of("cat", "sent_bytes_total")).toBe("hello\n".length);
  expect(after.of("cat", "open_connections")).toBe(0);
  expect(after.of("cat", "handlers")).toBe(0);
  expect(after.of("cat", "handler_duration_seconds_count")).toBe(1);
  expect(after.of("cat", "handler_duration_seconds_bucket", 'le="+Inf"')).toBe(1);
  expect(after.of("cat", "handler_duration_seconds_sum")).toBeGreaterThan(0);
  expect(after.value("tinetd_open_connections")).toBe(0);
});

test.each([
  ["TCP", () => "127.0.0.1:0"],
  ["Unix", (directory: string) => `unix:${directory}/s`],
])("who waits in the queue of a paused service, on %s", async (_kind, listen) => {
  await using rig = await startDaemon(
    ({ directory }) => `[services.cat]\nlisten = "${listen(directory)}"\ncommand = "cat"`,
  );
  const address = await rig.address("cat");
  const queue = `address="${address}"`;
  expect((await scrape(rig)).of("cat", "accept_queue_length", queue)).toBe(0);
  await call(rig, "POST", "/v1/services/cat/pause");
  await using _one = await connect(targetOf(address));
  await using _other = await connect(targetOf(address));
  await until(rig, (seen) => seen.of("cat", "accept_queue_length", queue) === 2);
  expect((await scrape(rig)).of("cat", "state", 'state="paused"')).toBe(1);
  await call(rig, "POST", "/v1/services/cat/resume");
  await until(rig, (seen) => seen.of("cat", "accept_queue_length", queue) === 0);
});

test("a worker that accepts by itself: how long its start took, and who is with it", async () => {
  const program = fileURLToPath(new URL("../ready/worker.py", import.meta.url));
  await using rig = await startDaemon(({ directory }) => {
    copyFileSync(program, join(directory, "worker.py"));
    return `[services.worker]
listen  = "127.0.0.1:0"
handoff = "listen"
ready   = "notify"
command = ["/usr/bin/python3", "-E", "${directory}/worker.py", "notify"]`;
  });
  const before = await scrape(rig);
  expect(before.of("worker", "cold_start_seconds_count")).toBeUndefined();
  expect(before.of("worker", "accepted_total")).toBeUndefined();
  expect(before.of("worker", "open_connections")).toBe(0);
  expect(await readAll(await rig.port("worker"))).toBe("served\n");
  const { duration_ms } = await rig.event("handler.ready");
  const after = await scrape(rig);
  expect(after.of("worker", "cold_start_seconds_count")).toBe(1);
  // The event has it rounded, and comes first.
  expect(after.of("worker", "cold_start_seconds_sum")).toBeGreaterThanOrEqual((duration_ms - 1) / 1000);
  expect(after.of("worker", "handlers")).toBe(1);
});

test("starts that fail, while the client waits", async () => {
  await using rig = await startDaemon(`[services.broken]
listen  = "127.0.0.1:0"
handoff = "listen"
ready   = "notify"
command = "false"
start_limit = "2/1m"`);
  await using _client = await connect(await rig.port("broken"));
  await rig.event("service.state", { state: "failed" });
  const seen = await scrape(rig);
  expect(seen.of("broken", "start_failures_total")).toBe(2);
  expect(seen.of("broken", "state", 'state="failed"')).toBe(1);
  expect(seen.of("broken", "open_connections")).toBe(1);
});

test("a listener that cannot be bound", async () => {
  await using one = await startDaemon(cat);
  await using rig = await startDaemon(
    `[services.both]\nlisten = ["127.0.0.1:${await one.port("cat")}", "127.0.0.1:0"]\ncommand = "cat"`,
  );
  const seen = await scrape(rig);
  expect(seen.of("both", "listeners")).toBe(1);
  expect(seen.of("both", "missing_listeners")).toBe(1);
});

test("the daemon itself: which it is, what it has open, and that it has worked", async () => {
  await using rig = await startFixture();
  const descriptors = rig.descriptors();
  const first = await scrape(rig);
  const { version, started_at } = (await rig.status()).daemon;
  expect(first.value(`tinetd_build_info{version="${version}",node="${process.versions.node}"}`)).toBe(1);
  expect(first.value("tinetd_config_generation")).toBe(1);
  // The caller's connection is among them.
  expect(first.value("process_open_fds")).toBe(descriptors + 1);
  expect(first.value("process_max_fds")).toBeGreaterThan(100);
  expect(first.value("process_resident_memory_bytes")).toBeGreaterThan(1024 * rig.memory().residentKb * 0.5);
  expect(first.value("process_start_time_seconds")).toBe(Date.parse(started_at) / 1000);
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo served");
  const second = await scrape(rig);
  for (const name of ["process_cpu_seconds_total", "tinetd_event_loop_busy_seconds_total"])
    expect(second.value(name)).toBeGreaterThan(first.value(name) ?? Number.POSITIVE_INFINITY);
  expect(second.value("tinetd_event_loop_turns_total")).toBeGreaterThan(
    first.value("tinetd_event_loop_turns_total") ?? Number.POSITIVE_INFINITY,
  );
});

test("lines that the log could not take", async () => {
  await using rig = await startDaemon(`[daemon]\nlog = { destination = "/dev/full" }\n${cat}`);
  const { listeners } = await statusOf(rig, "cat");
  expect(await ask(targetOf(listeners[0]?.address ?? ""), "hello")).toBe("hello");
  await until(rig, (seen) => (seen.value('tinetd_log_lines_dropped_total{reason="destination"}') ?? 0) > 3);
});

test("a service that a reload removes is told of no more, and one with its name is told of once", async () => {
  await using rig = await startDaemon(cat);
  await using client = await connect(await rig.port("cat"));
  client.write("in\n");
  await client.line();
  const configure = (text: string) => writeFileSync(rig.configPath, `${text}${user}`, { mode: 0o600 });
  configure(cat.replace("[services.cat]", "[services.dog]"));
  await call(rig, "POST", "/v1/reload");
  // Somebody is still with it.
  expect((await scrape(rig)).of("cat", "open_connections")).toBe(1);
  configure(cat);
  await call(rig, "POST", "/v1/reload");
  const seen = await scrape(rig);
  const series = seen.text
    .split("\n")
    .filter((line) => line.startsWith('tinetd_service_spawned_total{service="cat"'));
  expect(series).toEqual(['tinetd_service_spawned_total{service="cat"} 0']);
  expect(seen.value("tinetd_config_generation")).toBe(3);
});

/** Asks until it is so, for 20 seconds at most. */
async function until(rig: Rig, condition: (seen: Scrape) => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const seen = await scrape(rig);
    if (condition(seen)) return;
    if (performance.now() > deadline) throw new Error(`not within 20 s:\n${seen.text}`);
  }
}

function targetOf(address: string): number | string {
  return address.startsWith("unix:") ? address.slice("unix:".length) : Number(/:(\d+)$/.exec(address)?.[1]);
}
