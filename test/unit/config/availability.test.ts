import { describe, expect, test } from "vitest";
import { type Availability, everythingAvailable } from "../../../src/config/availability.ts";
import { problemLines } from "./memory.ts";

const availability: Availability = {
  ...everythingAvailable,
  daemon: { operating: ["http", "log.addresses"] },
  service: { admission: ["rate", "source_prefix"], workers: ["idle_timeout"] },
  listener: { sockets: ["no_delay", "keep_alive"] },
  values: {
    workers: [["service", "kill_mode", "tree"]],
    systemd: [["daemon", "log.destination", "journal"]],
  },
  endpoints: { sockets: ["udp"] },
};

const base = '[services.s]\nlisten = 1\ncommand = "cat"\n';

describe("what is not available yet", () => {
  test.each([
    [`${base}rate = "5/s"`, ["4:1: `rate` is not available yet (it comes with admission)"]],
    [
      `${base}source_prefix = { v4 = 24 }`,
      ["4:1: `source_prefix` is not available yet (it comes with admission)"],
    ],
    [`${base}idle_timeout = "1m"`, ["4:1: `idle_timeout` is not available yet (it comes with workers)"]],
    [`${base}kill_mode = "tree"`, ['4:1: kill_mode = "tree" is not available yet (it comes with workers)']],
    [
      `${base}socket = { no_delay = true }`,
      ["4:12: `socket.no_delay` is not available yet (it comes with sockets)"],
    ],
    [
      '[services.s]\nlisten = [{ address = "*:1", no_delay = true }, { address = "*:2", no_delay = true }]\ncommand = "x"',
      ["2:11: listen: `no_delay` is not available yet (it comes with sockets)"],
    ],
    [
      '[services.s]\nlisten = ["udp://*:1-9", "udp://*:10"]\ncommand = "x"',
      ["2:11: listen: sockets of kind udp are not available yet (they come with sockets)"],
    ],
    [`[defaults]\nrate = "5/s"\n${base}`, ["2:1: `rate` is not available yet (it comes with admission)"]],
    [
      `[daemon]\nhttp = 80\nlog = { addresses = "none", destination = "journal" }\n${base}`,
      [
        "2:1: `http` is not available yet (it comes with operating)",
        "3:9: `log.addresses` is not available yet (it comes with operating)",
        '3:29: log.destination = "journal" is not available yet (it comes with systemd)',
      ],
    ],
  ])("%j", (text, lines) => {
    expect(problemLines(text, { availability })).toEqual(lines.map((line) => `/t.toml:${line}`));
  });

  test("a key that one sort of service has already", () => {
    const udp = {
      ...availability,
      endpoints: {},
      except: { idle_timeout: { handoff: "stdio", kind: "udp" } },
    } as const;
    const service = (rest: string) => `[services.s]\nidle_timeout = "1m"\ncommand = "x"\n${rest}`;
    const missing = ["/t.toml:2:1: `idle_timeout` is not available yet (it comes with workers)"];
    const problems = (rest: string) => problemLines(service(rest), { availability: udp });
    expect(problems('listen = ["udp://*:1", "udp6://*:2"]')).toEqual([]);
    expect(problems('listen = ["udp://*:1", "tcp://*:1"]')).toEqual(missing);
    expect(problems('listen = "udp://*:1"\nhandoff = "wait"')).toEqual(missing);
    expect(problems('listen = "tcp://*:1"')).toEqual(missing);
  });

  test.each([
    `${base}rate = "off"`,
    `${base}source_prefix = { v4 = 32 }`,
    `${base}idle_timeout = "off"`,
    `${base}kill_mode = "group"`,
    `${base}socket = { no_delay = false, keep_alive = false }`,
    `[daemon]\nlog = { addresses = "full", destination = "stderr" }\n${base}`,
  ])("setting it to its default is nothing: %j", (text) => {
    expect(problemLines(text, { availability })).toEqual([]);
  });
});
