import { expect, describe as group, test } from "vitest";
import { describe } from "../../../src/log/describe.ts";
import type { DaemonEvent } from "../../../src/log/events.ts";
import { hideAddress, hidePeers } from "../../../src/log/privacy.ts";

test.each([
  ["tcp://198.51.100.7:50123", "tcp://198.51.100.0/24"],
  ["udp://198.51.100.7:53", "udp://198.51.100.0/24"],
  ["tcp://[2001:db8:1:2:3:4:5:6]:443", "tcp://2001:db8:1::/48"],
  ["tcp://[::1]:443", "tcp://::/48"],
  ["tcp://[fe80::1234:5678%2]:22", "tcp://fe80::/48"],
  // 6to4: what follows 2002 is the IPv4 address itself, of which a /48 would be all.
  ["tcp://[2002:c633:6407::1]:22", "tcp://2002:c633:6400::/40"],
])("%s has the prefix %s", (remote, prefix) => {
  expect(hideAddress("prefix", remote)).toBe(prefix);
  expect(hideAddress("none", remote)).toBe("-");
});

test.each(["unix:/run/x.sock", "unix:@name", "unix:pid=7,uid=1000", "unix:", "fifo:/run/f"])(
  "%s is nobody's address",
  (remote) => {
    expect(hideAddress("prefix", remote)).toBe(remote);
    expect(hideAddress("none", remote)).toBe(remote);
  },
);

group("an event", () => {
  const remote = "tcp://198.51.100.7:5";
  const local = "tcp://198.51.100.1:22";
  const error = `header of ${remote} (198.51.100.7) is wrong`;
  const events: DaemonEvent[] = [
    { event: "connection.accepted", service: "s", connection: 1, remote, local },
    { event: "connection.refused", service: "s", reason: "proxy", remote, local, error },
    {
      event: "connection.closed",
      service: "s",
      connection: 1,
      pid: 7,
      remote,
      code: 0,
      signal: null,
      duration_ms: 1,
      error,
    },
  ];

  test.each(events)("$event: no field and no sentence has the address, and ours stays", (event) => {
    for (const choice of ["prefix", "none"] as const) {
      const shown = hidePeers(choice, event);
      expect(`${JSON.stringify(shown)} ${describe(shown)}`).not.toContain("198.51.100.7");
      if ("local" in event) expect(shown).toMatchObject({ local });
      expect(shown).toMatchObject({ event: event.event, service: "s" });
    }
    expect(hidePeers("full", event)).toBe(event);
  });

  test("an error that names the client names its network", () => {
    const [, refused] = events;
    if (refused === undefined) throw new Error("no event");
    expect(hidePeers("prefix", refused)).toMatchObject({
      error: "header of tcp://198.51.100.0/24 (198.51.100.0/24) is wrong",
    });
    expect(hidePeers("none", refused)).toMatchObject({ error: "header of - (-) is wrong" });
  });

  test("the daemon's own addresses are no peer's", () => {
    const event = { event: "service.listening", service: "s", address: local, backlog: 1 } as const;
    expect(hidePeers("none", event)).toBe(event);
  });
});
