/** What `listen` and `wait` know of their workers over an upgrade, with kernel, clock and workers in the test's hands. */
import { lstatSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { ServiceConfig } from "../../../src/config/config.ts";
import { createListen } from "../../../src/handoff/listen.ts";
import { createWait } from "../../../src/handoff/wait.ts";
import { READABLE } from "../../../src/native/sys.ts";
import { dropSyn, passAll } from "../../../src/net/filter.ts";
import type { BoundListener } from "../../../src/net/listen.ts";
import { leadsToTwin } from "../../../src/net/listener.ts";
import { identify } from "../../../src/net/node.ts";
import { setUp } from "./host.ts";
import { listenerAt } from "./incoming.ts";

const unix = listenerAt("unix", { family: "unix", path: "/run/x.sock" }, "unix:/run/x.sock");
const udp = listenerAt("udp", { family: "inet", address: "192.0.2.1", port: 69 }, "udp://192.0.2.1:69");
const tcp = listenerAt("tcp", { family: "inet", address: "192.0.2.1", port: 80 }, "tcp://192.0.2.1:80");

const handoffs = [
  ["listen", createListen],
  ["wait", createWait],
] as const;

/** A TCP listener whose programs are noted; the end of connections is told of at descriptor 50. */
function withDoor(create: (typeof handoffs)[number][1], config?: Partial<ServiceConfig>) {
  const doors: ("open" | "closed" | "other")[] = [];
  const programs = { open: `${passAll()}`, closed: `${dropSyn()}` };
  const rig = setUp(create, {
    listener: tcp,
    sys: {
      constants: new Proxy({}, { get: () => 1 }),
      attachFilter(fd, program) {
        const text = `${program}`;
        if (fd === tcp.fd)
          doors.push(text === programs.open ? "open" : text === programs.closed ? "closed" : "other");
      },
      socket: () => 50,
      setsockopt: () => {},
      bindNetlink: () => {},
      inetDiagEvents: () => null,
      watch: () => ({ start: () => {}, stop: () => {}, close: () => {}, ref: () => {}, unref: () => {} }),
      close: () => {},
    },
    ...(config === undefined ? {} : { config }),
  });
  return { ...rig, doors };
}

describe.each(handoffs)("%s", (_name, create) => {
  test("the listener stays its worker's, and the next is started when that has gone", () => {
    const { handoff, worker, workers, upgrade } = setUp(create, { listener: unix });
    const next = upgrade(handoff);
    expect(next.handoff.holds(next.listener)).toBe(true);
    next.handoff.gone(worker, false);
    expect(next.handoff.holds(next.listener)).toBe(false);
    next.handoff.readable(next.listener);
    expect([workers.length, next.handoff.holds(next.listener)]).toEqual([2, true]);
  });

  test("who is idle since when is not forgotten", () => {
    const { handoff, kernel, pass, done, upgrade } = setUp(create, { listener: unix });
    kernel.quiet = false;
    pass(500);
    kernel.quiet = true;
    pass(500);
    const next = upgrade(handoff, 400);
    pass(599);
    expect(done()).toEqual([]);
    pass(1);
    expect(done()).toEqual(["stop: idle_timeout"]);
    expect(next.handoff.holds(next.listener)).toBe(true);
  });

  test("saving changes nothing, and says the same again", () => {
    const { handoff, pass, done } = setUp(create, { listener: unix });
    pass(700);
    expect(handoff.save((fd) => fd)).toEqual(handoff.save((fd) => fd));
    pass(2_000);
    expect(done()).toEqual(["stop: idle_timeout"]);
  });

  test("who is frozen stays so, and a knock wakes him", () => {
    const { handoff, pass, done, settle, upgrade } = setUp(create, {
      listener: unix,
      config: { onIdle: "freeze" },
    });
    pass(3_000);
    settle(true);
    const next = upgrade(handoff);
    pass(1_000);
    expect([done(), next.handoff.holds(next.listener)]).toEqual([["freeze"], false]);
    next.handoff.readable(next.listener);
    expect([done(), next.handoff.holds(next.listener)]).toEqual([["thaw"], true]);
    pass(3_000);
    expect(done()).toEqual(["freeze"]);
  });

  test("who is on his way into the freeze is frozen anew, or goes on if somebody has come", () => {
    const { handoff, kernel, pass, done, settle, upgrade } = setUp(create, {
      listener: unix,
      config: { onIdle: "freeze" },
    });
    pass(3_000);
    const next = upgrade(handoff);
    expect([done(), next.handoff.holds(next.listener)]).toEqual([["freeze"], false]);
    pass(0);
    expect(done()).toEqual(["thaw", "freeze"]);
    kernel.deserted = false;
    settle(true);
    expect([done(), next.handoff.holds(next.listener)]).toEqual([["thaw"], true]);
  });

  test("a door that was closed behind a worker that leaves is opened when it has gone", () => {
    const { handoff, worker, workers, doors, pass, done, upgrade } = withDoor(create);
    pass(3_000);
    expect([done(), doors]).toEqual([["stop: idle_timeout"], ["closed"]]);
    const next = upgrade(handoff, 5_000);
    pass(10_000);
    expect([doors, next.handoff.holds(next.listener)]).toEqual([["closed"], true]);
    next.handoff.gone(worker, false);
    expect([doors, next.handoff.holds(next.listener)]).toEqual([["closed", "open"], false]);
    next.handoff.readable(next.listener);
    expect(workers.length).toBe(2);
  });

  test("one that is too old is taken away in a moment in which nobody is there", () => {
    const { handoff, worker, kernel, doors, pass, done, upgrade } = withDoor(create);
    kernel.quiet = false;
    handoff.aged(worker);
    pass(10_000);
    const next = upgrade(handoff);
    pass(10_000);
    expect([done(), doors]).toEqual([[], []]);
    kernel.quiet = true;
    pass(250);
    expect([done(), doors]).toEqual([["stop: max_lifetime"], ["closed"]]);
    // It was told so, and is not told again, by neither of the two.
    const last = upgrade(next.handoff);
    pass(60_000);
    last.handoff.gone(worker, false);
    expect(doors).toEqual(["closed", "open"]);
    expect(done().filter((entry) => entry.startsWith("stop"))).toEqual([]);
  });

  test("stop_timeout after its max_lifetime it is stopped whoever is there", () => {
    const { handoff, worker, kernel, pass, done, upgrade } = withDoor(create);
    kernel.quiet = false;
    handoff.aged(worker);
    pass(10_000);
    upgrade(handoff);
    pass(19_999);
    expect(done()).toEqual([]);
    pass(1);
    expect(done()).toEqual(["stop: max_lifetime"]);
  });

  test("one that took nothing of what waited when it was started is found out", () => {
    const { handoff, kernel, worker, workers, done, upgrade, pass } = setUp(create, {
      listener: unix,
      config: { idleTimeout: null },
    });
    handoff.gone(worker, false);
    kernel.waiting = ["a", "b"];
    handoff.readable(unix);
    done();
    const next = upgrade(handoff);
    pass(1_000);
    next.handoff.gone(workers[1] ?? worker, false);
    expect(done()).toEqual([expect.stringMatching(/^ended: the \w+ took nothing from its sockets?$/)]);
  });

  test("one that is doubted since it left as many as before is not believed again", () => {
    const { handoff, kernel, worker, workers, done, upgrade } = withDoor(create, { idleTimeout: null });
    handoff.gone(worker, false);
    kernel.waiting = ["a"];
    handoff.readable(tcp);
    done();
    handoff.gone(workers[1] ?? worker, false);
    expect(done()).toEqual(["ended: well"]);
    const next = upgrade(handoff);
    next.handoff.readable(next.listener);
    next.handoff.gone(workers[2] ?? worker, false);
    expect(done()).toEqual([expect.stringMatching(/^ended: the \w+ took nothing from its sockets?$/)]);
  });

  test("the configuration may change while a worker runs", () => {
    const { host, handoff, kernel, pass, done } = setUp(create, {
      listener: unix,
      config: { idleTimeout: null },
    });
    const reload = (changed: Partial<ServiceConfig>) => {
      Object.assign(host.config, changed);
      handoff.configured();
    };
    pass(60_000);
    reload({ idleTimeout: 10_000 });
    pass(8_000);
    reload({ idleTimeout: 60_000 });
    pass(8_000);
    expect(done()).toEqual([]);
    reload({ idleTimeout: null });
    pass(120_000);
    expect(done()).toEqual([]);
    reload({ idleTimeout: 1_000, onIdle: "freeze" });
    pass(2_000);
    expect(done()).toEqual(["freeze"]);
    kernel.quiet = false;
    handoff.readable(unix);
    reload({ onIdle: "stop" });
    kernel.quiet = true;
    pass(3_000);
    expect(done()).toEqual(["thaw", "stop: idle_timeout"]);
  });

  test("a worker that is not there cannot be restored", () => {
    const { handoff, workers, upgrade } = setUp(create, { listener: unix });
    workers.pop();
    expect(() => upgrade(handoff)).toThrow("handler 7 is not among those that were there");
  });
});

describe("listen, at a Unix path with two sockets", () => {
  const [workersFd, twinFd] = [3, 4];
  const path = import.meta.filename;

  /** As in listen-turned.test.ts: just after the path was turned, since nobody was there for a second. */
  function turned() {
    const aside = `${import.meta.dirname}/./listen-upgrade.test.ts`;
    const [node, other] = [path, aside].map((name) => identify(name, lstatSync(name, { bigint: true })));
    const listener = {
      ...listenerAt("unix", { family: "unix", path }, `unix:${path}`),
      fd: workersFd,
      node,
      twin: { fd: twinFd, node: other },
    } as BoundListener;
    /** In whose queue somebody waits. */
    const queues = new Set<number>();
    const rig = setUp(createListen, {
      listener,
      sys: { exchangePaths: () => {}, poll: (fd) => (queues.has(fd) ? READABLE : 0) },
    });
    for (let ms = 0; !leadsToTwin(listener) && ms < 10_000; ms++) rig.pass(1);
    expect([leadsToTwin(listener), rig.done()]).toEqual([true, []]);
    return { ...rig, queues };
  }

  test("the worker is told to stop when it was looked once more", () => {
    const { handoff, pass, done, upgrade } = turned();
    const next = upgrade(handoff);
    expect(next.handoff.holdsTwin(next.listener)).toBe(true);
    pass(20);
    expect([done(), leadsToTwin(next.listener)]).toEqual([["stop: idle_timeout"], true]);
  });

  test("who has entered the old queue meanwhile makes it stay, and the path is turned back", () => {
    const { handoff, kernel, pass, done, upgrade } = turned();
    const next = upgrade(handoff);
    kernel.quiet = false;
    pass(20);
    expect([leadsToTwin(next.listener), next.handoff.holdsTwin(next.listener)]).toEqual([false, false]);
    kernel.quiet = true;
    pass(3_000);
    expect(done()).toEqual(["stop: idle_timeout"]);
  });

  test("while others wait at the twin it goes as soon as it can, and they get the next", () => {
    const { handoff, worker, workers, kernel, queues, pass, done, upgrade } = turned();
    kernel.quiet = false;
    queues.add(twinFd);
    pass(5_000);
    const next = upgrade(handoff);
    pass(5_000);
    expect([done(), leadsToTwin(next.listener), next.handoff.holdsTwin(next.listener)]).toEqual([
      [],
      true,
      true,
    ]);
    kernel.quiet = true;
    pass(250);
    expect(done()).toEqual(["stop: idle_timeout"]);
    const last = upgrade(next.handoff);
    last.handoff.gone(worker, false);
    expect(last.handoff.holdsTwin(last.listener)).toBe(false);
    last.handoff.readable(last.listener);
    // It has got the socket that was the twin, and the path leads there.
    expect([workers.length, last.listener.fd, leadsToTwin(last.listener)]).toEqual([2, twinFd, false]);
  });

  test("a worker that ends before it was looked again opens the path", () => {
    const { handoff, worker, pass, done, upgrade } = turned();
    const next = upgrade(handoff);
    next.handoff.gone(worker, false);
    expect([leadsToTwin(next.listener), next.handoff.holdsTwin(next.listener)]).toEqual([false, false]);
    done();
    pass(1_000);
    expect(done()).toEqual([]);
  });
});

describe("listen", () => {
  test("another worker is started for who waits, up to a workers.max that may have grown", () => {
    const { host, handoff, workers, kernel, pass, upgrade } = setUp(createListen, { listener: unix });
    kernel.waiting = ["a"];
    pass(500);
    expect(workers.length).toBe(1);
    Object.assign(host.config, { workers: { ...host.config.workers, max: 2 } });
    const next = upgrade(handoff);
    pass(10_000);
    expect(workers.length).toBe(2);
    next.handoff.resume();
    pass(10_000);
    expect(workers.length).toBe(2);
  });

  test("one who has been served when it is looked again needs no other worker", () => {
    const { workers, kernel, pass } = setUp(createListen, {
      listener: unix,
      config: { workers: { min: 0, max: 2, connections: null, maxServed: null } },
    });
    kernel.waiting = ["a"];
    pass(200);
    kernel.waiting = ["b"];
    pass(49);
    kernel.waiting = ["c"];
    pass(1);
    expect(workers.length).toBe(1);
    pass(50);
    expect(workers.length).toBe(2);
  });

  test("a door that was closed behind one of several is opened when that one has gone", () => {
    const { handoff, worker, workers, kernel, doors, pass, done, upgrade } = withDoor(createListen, {
      workers: { min: 2, max: 2, connections: null, maxServed: null },
    });
    handoff.resume();
    expect(workers.length).toBe(2);
    handoff.aged(worker);
    expect([done(), doors]).toEqual([["stop: max_lifetime"], ["closed"]]);
    const next = upgrade(handoff);
    kernel.waiting = ["a"];
    pass(10_000);
    next.handoff.resume();
    expect([workers.length, doors]).toEqual([2, ["closed"]]);
    next.handoff.gone(worker, false);
    expect(doors).toEqual(["closed", "open"]);
  });

  test("what was to run without anybody there still is, unless its end was to be the end", () => {
    for (const [restart, count] of [
      ["no", 1],
      ["always", 2],
    ] as const) {
      const { handoff, worker, workers, upgrade } = setUp(createListen, {
        listener: unix,
        config: { workers: { min: 1, max: 1, connections: null, maxServed: null }, restart },
      });
      handoff.gone(worker, true);
      const next = upgrade(handoff);
      next.handoff.resume();
      expect(workers.length).toBe(count);
    }
  });
});

describe("wait", () => {
  test("a datagram that nobody takes is dropped after the third handler, whoever counted the first two", () => {
    const { handoff, workers, kernel, done, upgrade } = setUp(createWait, { listener: udp });
    let [current, listener] = [handoff, udp];
    for (let n = 0; n < 4; n++) {
      const worker = workers.at(-1);
      if (worker === undefined) throw new Error("nobody was started");
      current.gone(worker, false);
      kernel.waiting = ["x"];
      ({ handoff: current, listener } = upgrade(current));
      current.readable(listener);
    }
    expect(done().filter((entry) => entry === "dropped")).toEqual(["dropped"]);
  });

  test("a handler whose listener was closed before goes on to its end", () => {
    const { host, handoff, worker, pass, done, upgrade } = setUp(createWait, { listener: unix });
    handoff.closing(unix);
    (host.listeners() as BoundListener[]).splice(0);
    const next = upgrade(handoff);
    pass(60_000);
    next.handoff.aged(worker);
    pass(29_999);
    expect(done()).toEqual([]);
    pass(1);
    next.handoff.gone(worker, false);
    expect(done()).toEqual(["stop: max_lifetime"]);
  });

  test("one that is frozen when its listener is closed is stopped", () => {
    const { handoff, pass, done, settle } = setUp(createWait, {
      listener: unix,
      config: { onIdle: "freeze" },
    });
    pass(3_000);
    settle(true);
    handoff.closing(unix);
    pass(600_000);
    expect(done()).toEqual(["freeze", "stop: its listener is closed"]);
  });
});
