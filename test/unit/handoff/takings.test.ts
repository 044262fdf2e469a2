/** Whether a handler is believed to have taken anything, by what is left in the queues. */
import { describe, expect, test } from "vitest";
import { createTakings, namesOf, restoreWaited, saveWaited } from "../../../src/handoff/takings.ts";
import type { BoundListener } from "../../../src/net/listen.ts";
import { listenerAt } from "./incoming.ts";

const tcp = listenerAt("tcp", { family: "inet", address: "192.0.2.1", port: 80 }, "tcp://192.0.2.1:80");
const unix = listenerAt("unix", { family: "unix", path: "/run/x.sock" }, "unix:/run/x.sock");

/** What is in the queues, to be changed between a look and the next; and how often names were asked for. */
function queues(always = false) {
  const queued = new Map<BoundListener, readonly string[]>();
  const named: BoundListener[] = [];
  const host: Parameters<typeof createTakings>[0] = {
    queueLength: (listener) => (listener.kind === "tcp" ? (queued.get(listener)?.length ?? 0) : null),
    waiting(listener) {
      named.push(listener);
      return queued.get(listener) ?? [];
    },
  };
  const takings = createTakings(host, () => always);
  /** A handler that finds `before` and leaves `after`. */
  const handle = (listener: BoundListener, before: readonly string[], after: readonly string[]): boolean => {
    queued.set(listener, before);
    const waited = takings.look([listener]);
    queued.set(listener, after);
    return takings.taken(waited, [listener]);
  };
  return { host, queued, named, takings, handle };
}

describe("at a TCP listener", () => {
  test("a queue that is shorter than before was taken from; no name is needed for that", () => {
    const { handle, named } = queues();
    expect(handle(tcp, ["a"], [])).toBe(true);
    expect(handle(tcp, ["a", "b"], ["b"])).toBe(true);
    expect(handle(tcp, ["a", "b", "c"], ["c", "d"])).toBe(true);
    expect(named).toEqual([]);
  });

  test("one who leaves as many is believed once; then it is the names that tell", () => {
    const { handle } = queues();
    expect(handle(tcp, ["a"], ["a"])).toBe(true);
    expect(handle(tcp, ["a"], ["a"])).toBe(false);
    expect(handle(tcp, ["a"], ["a", "b"])).toBe(false);
  });

  test("one that did its work is never blamed, however many have come meanwhile", () => {
    const { handle } = queues();
    for (let n = 0; n < 6; n++) expect(handle(tcp, ["a"], ["b", "c"])).toBe(true);
  });

  test("one that does its work ends the doubt", () => {
    const { handle, named } = queues();
    handle(tcp, ["a"], ["a"]);
    expect(handle(tcp, ["a"], ["a"])).toBe(false);
    expect(handle(tcp, ["a"], ["b"])).toBe(true);
    named.length = 0;
    expect(handle(tcp, ["b"], [])).toBe(true);
    expect(named).toEqual([]);
  });
});

test("where names are looked at in any case nobody is believed, and all of them are known", () => {
  const { handle, queued, takings } = queues(true);
  expect(handle(tcp, ["a"], ["a"])).toBe(false);
  expect(handle(tcp, ["a"], ["b"])).toBe(true);
  queued.set(tcp, ["a", "b"]).set(unix, ["c"]);
  expect(namesOf(takings.look([tcp, unix]))).toEqual(["a", "b", "c"]);
});

test("where names are as cheap nobody is believed", () => {
  const { handle } = queues();
  expect(handle(unix, ["a"], ["a"])).toBe(false);
  expect(handle(unix, ["a"], ["b"])).toBe(true);
});

test("of several listeners it is enough to have taken from one", () => {
  const { queued, takings } = queues();
  queued.set(tcp, ["a"]).set(unix, ["b"]);
  const waited = takings.look([tcp, unix]);
  queued.set(unix, []);
  expect(takings.taken(waited, [tcp, unix])).toBe(true);
});

test("who was started for nobody has left nobody, and a listener that has gone tells nothing", () => {
  const { handle, queued, takings } = queues();
  expect(handle(unix, [], ["a"])).toBe(true);
  queued.set(unix, ["a"]);
  expect(takings.taken(takings.look([unix]), [tcp])).toBe(true);
});

describe("over an upgrade", () => {
  const carriedOn = <T>(saved: T): T => JSON.parse(JSON.stringify(saved));

  test("what waited is known by the listeners that are there then", () => {
    const { queued, takings } = queues();
    queued.set(tcp, ["a", "b"]).set(unix, ["c"]);
    const saved = carriedOn(saveWaited(takings.look([tcp, unix]), [unix, tcp]));
    const [nextUnix, nextTcp] = [{ ...unix }, { ...tcp }];
    const waited = restoreWaited(saved, [nextUnix, nextTcp]);
    expect([...waited.keys()]).toEqual([nextTcp, nextUnix]);
    expect([waited.get(nextTcp), waited.get(nextUnix)]).toEqual([2, ["c"]]);
  });

  test("a listener that had gone before still leaves no doubt", () => {
    const { host, queued, takings } = queues();
    queued.set(tcp, ["a"]).set(unix, ["c"]);
    const next = createTakings(host, () => true);
    next.restore(carriedOn(takings.save()));
    const both = next.look([tcp, unix]);
    expect(
      next.taken(restoreWaited(carriedOn(saveWaited(both, [tcp, unix])), [tcp, unix]), [tcp, unix]),
    ).toBe(false);
    expect(next.taken(restoreWaited(carriedOn(saveWaited(both, [tcp])), [tcp]), [tcp])).toBe(true);
  });

  test("who was doubted still is", () => {
    const { host, handle, takings, queued, named } = queues(true);
    expect(handle(tcp, ["a"], ["a"])).toBe(false);
    const next = createTakings(host, () => false);
    next.restore(carriedOn(takings.save()));
    named.length = 0;
    queued.set(tcp, ["a"]);
    next.look([tcp]);
    expect(named).toEqual([tcp]);
  });
});
