/** What `tinetd check` has to say about what is right: where a client can be lost as a worker is taken away. */
import { describe, expect, test } from "vitest";
import { notesOn } from "../../../src/config/notes.ts";
import { formatProblem } from "../../../src/config/problem.ts";
import { loadValid } from "./memory.ts";

function notes(text: string, holdsOff = true): string[] {
  return notesOn(loadValid(text), { holdsOff }).map(formatProblem);
}

function worker(listen: string, keys = "", handoff = "listen"): string {
  return `[services.s]\nlisten = ${listen}\nhandoff = "${handoff}"\ncommand = "x"\n${keys}`;
}

const idle = "/t.toml:2:10: s: when idle_timeout stops a worker, ";
const last = "after tinetd's last look can be lost: ";
const accepted = `${idle}a client that it accepts ${last}`;
const abstract =
  'an abstract name cannot lead to another socket meanwhile; a path with handoff = "listen" loses nobody';

describe("who can be lost when a worker is stopped", () => {
  test.each([
    ["listen", "unix:@x", `${accepted}${abstract}`],
    ["listen", "unix-seqpacket:@x", `${accepted}${abstract}`],
    ["wait", "unix:@x", `${accepted}${abstract}`],
    [
      "wait",
      "unix:/run/x",
      `${accepted}with handoff = "wait" a path cannot lead to another socket meanwhile; handoff = "listen" loses nobody`,
    ],
    ["listen", "udp://*:1", `${idle}a datagram that it reads ${last}datagrams cannot be held off meanwhile`],
    [
      "wait",
      "unix-dgram:/run/x",
      `${idle}a datagram that it reads ${last}datagrams cannot be held off meanwhile`,
    ],
    [
      "listen",
      "fifo:/run/x",
      `${idle}what it reads ${last}who writes to a fifo cannot be held off meanwhile`,
    ],
    [
      "listen",
      "systemd:x",
      `${accepted}only over TCP can those be held off who come to a socket that tinetd was given`,
    ],
    [
      "wait",
      "fd:5",
      `${accepted}only over TCP can those be held off who come to a socket that tinetd was given`,
    ],
  ])("%s on %s", (handoff, listen, expected) => {
    expect(notes(worker(`"${listen}"`, "", handoff))).toEqual([expected]);
  });

  test.each([
    ["listen", "*:1"],
    ["wait", "*:1"],
    ["listen", "unix:/run/x"],
    ["listen", "unix-seqpacket:/run/x"],
    ["stdio", "unix:@x"],
    ["stdio", "udp://*:1"],
    ["pass", "unix:@x"],
  ])("nobody with %s on %s", (handoff, listen) => {
    expect(notes(worker(`"${listen}"`, 'idle_timeout = "1m"', handoff))).toEqual([]);
  });

  test.each(["listen", "wait"])("with %s over TCP only where it cannot be held off", (handoff) => {
    expect(notes(worker('"*:1"', "", handoff), false)).toEqual([
      `${accepted}without CAP_NET_ADMIN nobody who connects over TCP can be held off meanwhile`,
    ]);
  });
});

describe("when that can be", () => {
  test.each<[string, string | null]>([
    ['idle_timeout = "off"', null],
    ["workers = { min = 1 }", null],
    ["enabled = false", null],
    ['on_idle = "freeze"', "max_frozen"],
    ['on_idle = "freeze"\nmax_frozen = "off"', null],
    ['on_idle = "freeze"\nmax_frozen = "off"\nmax_lifetime = "1d"', "max_lifetime"],
    ['idle_timeout = "off"\nmax_lifetime = "1d"', "max_lifetime"],
    ['workers = { min = 1 }\nmax_lifetime = "1d"', "max_lifetime"],
    ['max_lifetime = "1d"', "idle_timeout"],
  ])("%j: %s", (keys, end) => {
    const said = notes(worker('"unix:@x"', keys)).map((line) => /: when (\w+) stops/.exec(line)?.[1]);
    expect(said).toEqual(end === null ? [] : [end]);
  });

  test("at a path, when one of several workers is too old while others stay", () => {
    const lifetime = 'max_lifetime = "1d"';
    expect(notes(worker('"unix:/run/x"', lifetime))).toEqual([]);
    expect(notes(worker('"unix:/run/x"', "workers = { max = 2 }"))).toEqual([]);
    expect(notes(worker('"unix:/run/x"', `${lifetime}\nworkers = { max = 2 }`))).toEqual([
      "/t.toml:2:10: s: when max_lifetime stops a worker, a client that it accepts " +
        `${last}a path cannot lead to another socket while other workers stay`,
    ]);
  });
});

test("once for a service, at the first listener, and in the order of the text", () => {
  const listen = '["*:1", "udp://*:8000-8009", "unix:@a", "udp://*:2", "unix:@b"]';
  const places = notes(worker(listen)).map((line) => line.split(" ")[0]);
  expect(places).toEqual(["/t.toml:2:18:", "/t.toml:2:39:"]);
});
