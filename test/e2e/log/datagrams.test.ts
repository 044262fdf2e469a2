/** The journal and syslog: sockets that are there, absent, started anew, or full. */
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { DaemonEvent } from "../../../src/log/events.ts";
import { summaryEveryMs } from "../../../src/log/flood.ts";
import { createLogger, type Logger, type LogOptions } from "../../../src/log/logger.ts";
import { loadSys } from "../../../src/native/sys.ts";
import { type Clock, systemClock } from "../../../src/util/clock.ts";
import { manualClock } from "../../unit/log/clock.ts";
import { makeFolder } from "../cli/tinetd.ts";
import { decodeJournal, type Receiver, receiver } from "./receiver.ts";

const sys = loadSys();

const options = {
  level: "info",
  format: "json",
  colour: false,
  addresses: "full",
  journalStream: undefined,
} as const;

function logTo(
  destination: LogOptions["destination"],
  socket: string,
  clock: Clock = systemClock,
  journal = socket,
): Logger {
  const world = { sys, clock, pid: 99, sockets: { journal, syslog: socket } };
  const created = createLogger(world, { ...options, destination });
  if (!created.ok) throw new Error(created.error);
  return created.value;
}

const started = (pid: number): DaemonEvent => ({ event: "handler.started", service: "s", pid });

const pids = (datagrams: readonly Buffer[]): (string | undefined)[] =>
  datagrams.map((each) => decodeJournal(each).TINETD_PID);

test("an event arrives at the journal as fields", async () => {
  using folder = makeFolder();
  const path = join(folder.path, "journal");
  using journal = receiver(path);
  const logger = logTo("journal", path);
  logger.emit({
    event: "connection.refused",
    service: "ssh",
    reason: "limit",
    remote: "tcp://192.0.2.1:5",
    local: "tcp://192.0.2.2:22",
  });
  logger.emit({ event: "handler.stderr", service: "ssh", pid: 7, text: "a\nPRIORITY=0\u001b[31m" });
  logger.bug(new Error("oops"));
  await logger.close();
  const [refused, stderr, bug] = journal.take().map(decodeJournal);
  expect(refused).toEqual({
    MESSAGE: '"ssh" refused tcp://192.0.2.1:5: limit',
    PRIORITY: "4",
    SYSLOG_IDENTIFIER: "tinetd",
    SYSLOG_FACILITY: "3",
    TINETD_EVENT: "connection.refused",
    TINETD_SERVICE: "ssh",
    TINETD_REASON: "limit",
    TINETD_REMOTE: "tcp://192.0.2.1:5",
    TINETD_LOCAL: "tcp://192.0.2.2:22",
  });
  expect(stderr).toMatchObject({ MESSAGE: "ssh[7]: a?PRIORITY=0?[31m", PRIORITY: "6" });
  expect(bug).toMatchObject({ MESSAGE: "internal error: Error: oops", PRIORITY: "3" });
  expect(bug?.TINETD_ERR).toMatch(/^Error: oops\n +at /);
});

test("an event arrives at syslog as its sentence and words", async () => {
  using folder = makeFolder();
  const path = join(folder.path, "log");
  using syslog = receiver(path);
  const logger = logTo("syslog", path);
  logger.emit(started(7));
  await logger.close();
  expect(syslog.take().map(String)).toEqual([
    expect.stringMatching(
      /^<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d tinetd\[99\]: "s" started handler 7 \[event=handler.started service=s pid=7\]$/,
    ),
  ]);
});

test("a flood has a summary in time, and a timer only until then", async () => {
  using folder = makeFolder();
  const path = join(folder.path, "journal");
  using journal = receiver(path);
  const clock = manualClock();
  const logger = logTo("journal", path, clock);
  const event = (port: number): DaemonEvent => ({
    event: "connection.refused",
    service: "s",
    reason: "denied",
    remote: `tcp://192.0.2.1:${port}`,
    local: "tcp://192.0.2.2:22",
  });
  const fields: Record<string, string>[] = [];
  const read = () => fields.push(...journal.take().map(decodeJournal));
  for (let port = 1; port <= 50; port++) {
    logger.emit(event(port));
    read();
  }
  expect(clock.timers).toBe(0);
  for (let port = 51; port <= 80; port++) logger.emit(event(port));
  read();
  expect({ lines: fields.length, timers: clock.timers }).toEqual({ lines: 50, timers: 1 });
  clock.advance(summaryEveryMs);
  read();
  expect(fields.at(-1)).toMatchObject({
    MESSAGE: '"s" refused tcp://192.0.2.1:80: denied (the last of 30 that were not logged, in 5.0s)',
    PRIORITY: "4",
    TINETD_EVENT: "connection.refused",
    TINETD_SUPPRESSED: "30",
  });
  expect({ lines: fields.length, timers: clock.timers }).toEqual({ lines: 51, timers: 0 });
  await logger.close();
});

test("nobody is there: it is said, lines are counted, and told when somebody comes", async () => {
  using folder = makeFolder();
  const path = join(folder.path, "journal");
  const logger = logTo("journal", path);
  expect(logger.problem).toBe(`cannot log to the journal: ${path}: ENOENT`);
  for (let pid = 1; pid <= 3; pid++) logger.emit(started(pid));
  using journal = receiver(path);
  logger.emit(started(4));
  const [loss, line, ...more] = journal.take().map(decodeJournal);
  expect(loss).toMatchObject({ PRIORITY: "4", TINETD_DROPPED: "3" });
  expect(line).toMatchObject({ TINETD_PID: "4" });
  expect(more).toEqual([]);
  await logger.close();
});

test("a log that is to go to a journal which is not there stays where it is", async () => {
  using folder = makeFolder();
  const path = join(folder.path, "syslog");
  using syslog = receiver(path);
  const absent = join(folder.path, "journal");
  const logger = logTo("syslog", path, systemClock, absent);
  expect(logger.configure({ ...options, level: "warn", destination: "journal" })).toEqual({
    ok: false,
    error: `cannot log to the journal: ${absent}: ENOENT`,
  });
  logger.emit(started(1));
  expect(syslog.take()).toHaveLength(1);
  expect(logger.configure({ ...options, level: "warn", destination: "syslog" })).toMatchObject({ ok: true });
  logger.emit(started(2));
  expect(syslog.take()).toEqual([]);
  await logger.close();
});

test("whoever is started anew gets the next line", async () => {
  using folder = makeFolder();
  const path = join(folder.path, "journal");
  const logger = (() => {
    using first = receiver(path);
    const made = logTo("journal", path);
    made.emit(started(1));
    expect(pids(first.take())).toEqual(["1"]);
    return made;
  })();
  using second = receiver(path);
  logger.emit(started(2));
  expect(pids(second.take())).toEqual(["2"]);
  await logger.close();
});

test("a receiver that is busy gets everything, in order, when it comes to it", async () => {
  using folder = makeFolder();
  const path = join(folder.path, "journal");
  using journal = receiver(path);
  const logger = logTo("journal", path);
  // More than a socket's queue holds (net.unix.max_dgram_qlen), less than we keep.
  const count = 2_000;
  for (let pid = 1; pid <= count; pid++) logger.emit(started(pid));
  expect(await collect(journal, count)).toEqual(Array.from({ length: count }, (_, n) => `${n + 1}`));
  await logger.close();
});

test("a receiver that has stalled costs lines, which are counted, and nothing else", async () => {
  using folder = makeFolder();
  const path = join(folder.path, "journal");
  using journal = receiver(path);
  const logger = logTo("journal", path);
  const count = 20_000;
  for (let pid = 1; pid <= count; pid++) logger.emit(started(pid));
  const seen: Record<string, string>[] = [];
  while (!seen.some(({ TINETD_DROPPED }) => TINETD_DROPPED !== undefined)) {
    await nextTurn();
    seen.push(...journal.take().map(decodeJournal));
  }
  const lines = seen.filter(({ TINETD_PID }) => TINETD_PID !== undefined);
  const dropped = Number(seen.find(({ TINETD_DROPPED }) => TINETD_DROPPED !== undefined)?.TINETD_DROPPED);
  expect(dropped).toBeGreaterThan(0);
  expect(lines.length + dropped).toBe(count);
  expect(lines.map(({ TINETD_PID }) => Number(TINETD_PID))).toEqual(lines.map((_, n) => n + 1));
  await logger.close();
});

test("a receiver that takes nothing does not keep the daemon from its end", async () => {
  using folder = makeFolder();
  const path = join(folder.path, "journal");
  using _stalled = receiver(path);
  const logger = logTo("journal", path);
  for (let pid = 1; pid <= 2_000; pid++) logger.emit(started(pid));
  expect(await logger.close()).toBe(true);
});

async function collect(journal: Receiver, count: number): Promise<(string | undefined)[]> {
  const seen: (string | undefined)[] = [];
  while (seen.length < count) {
    await nextTurn();
    seen.push(...pids(journal.take()));
  }
  return seen;
}
