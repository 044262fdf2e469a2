/**
 * What `listen` does between turning a Unix path to its twin and telling the worker to stop: a client whose connect(2)
 * went by the old node may enter the worker's queue in that time.
 */
import { lstatSync } from "node:fs";
import { expect, test } from "vitest";
import { createListen } from "../../../src/handoff/listen.ts";
import { READABLE } from "../../../src/native/sys.ts";
import type { BoundListener } from "../../../src/net/listen.ts";
import { leadsToTwin } from "../../../src/net/listener.ts";
import { identify } from "../../../src/net/node.ts";
import { setUp } from "./host.ts";

const [workersFd, twinFd] = [3, 4];
const path = import.meta.filename;

/** Two names of one file are two nodes that stay where they are whoever exchanges them: nothing is made on the disk. */
function newListener(): BoundListener {
  const aside = `${import.meta.dirname}/./listen-turned.test.ts`;
  const [node, other] = [path, aside].map((name) => identify(name, lstatSync(name, { bigint: true })));
  return {
    kind: "unix",
    fd: workersFd,
    name: "it",
    address: { family: "unix", path },
    node,
    twin: { fd: twinFd, node: other },
  } as BoundListener;
}

/** Just after the path was turned, since nobody was there for a second. */
function turned() {
  const listener = newListener();
  /** In whose queue somebody waits. */
  const queues = new Set<number>();
  const rig = setUp(createListen, {
    listener,
    sys: { exchangePaths: () => {}, poll: (fd) => (queues.has(fd) ? READABLE : 0) },
  });
  let ms = 0;
  for (; !leadsToTwin(listener) && ms < 10_000; ms++) rig.pass(1);
  expect(leadsToTwin(listener)).toBe(true);
  return { ...rig, listener, queues };
}

test("the worker is told to stop a moment later, and clients wait at the twin from the first on", () => {
  const { handoff, listener, pass, done } = turned();
  expect([done(), handoff.holdsTwin(listener)]).toEqual([[], true]);
  pass(19);
  expect(done()).toEqual([]);
  pass(1);
  expect([done(), leadsToTwin(listener)]).toEqual([["stop: idle_timeout"], true]);
});

test("who was on his way by the old node makes it stay, and the path is turned back", () => {
  const { handoff, listener, kernel, pass, done } = turned();
  kernel.quiet = false;
  pass(20);
  expect([done(), leadsToTwin(listener), handoff.holdsTwin(listener)]).toEqual([[], false, false]);
  pass(10_000);
  expect(done()).toEqual([]);
  kernel.quiet = true;
  pass(3_000);
  expect(done()).toEqual(["stop: idle_timeout"]);
});

test("if others wait at the twin by then, the path stays, and the worker goes when it has served him", () => {
  const { handoff, listener, kernel, queues, pass, done } = turned();
  kernel.quiet = false;
  queues.add(twinFd);
  pass(10_000);
  expect([done(), leadsToTwin(listener), handoff.holdsTwin(listener)]).toEqual([[], true, true]);
  kernel.quiet = true;
  pass(250);
  expect([done(), leadsToTwin(listener)]).toEqual([["stop: idle_timeout"], true]);
});
