/** `wait`: a handler has the socket itself, and nobody who comes before, while or after it runs is lost. */
import { describe, expect, test } from "vitest";
import { startFreezing, visit } from "../frozen/tools.ts";
import { datagramClient } from "../rig/client.ts";
import { kinds } from "./clients.ts";
import { startAcceptor, startFailures, starts } from "./tools.ts";

describe.each(kinds)("$name", (kind) => {
  test("one handler serves client after client; after its end the next client has another", async () => {
    await using rig = await startAcceptor({ handoff: "wait", listen: kind.listen, clients: 2 });
    const pids: string[] = [];
    for (let n = 0; n < 6; n++) pids.push(await kind.ask(rig, "pid"));

    const [first, , second, , third] = pids;
    expect(pids).toEqual([first, first, second, second, third, third]);
    expect(new Set(pids).size).toBe(3);
    for (const pid of new Set(pids)) {
      expect(await rig.event("handler.exited", { pid: Number(pid) })).toMatchObject({ code: 0 });
    }
    expect(await starts(rig)).toBe(3);
    expect(await startFailures(rig)).toBe(0);
  });

  test("a handler that runs is told to stop when the service is", async () => {
    await using rig = await startAcceptor({ handoff: "wait", listen: kind.listen });
    const pid = Number(await kind.ask(rig, "pid"));
    expect(await rig.stop()).toEqual({ code: 0, signal: null });
    expect(await rig.event("handler.stopping", { pid })).toMatchObject({ signal: "SIGTERM" });
    expect(await rig.event("handler.exited", { pid })).toMatchObject({ signal: "SIGTERM" });
  });

  test("whoever comes around the end of a handler is served", async () => {
    // A handler ends with its only client, so that each of these comes before, at or after an end: all at once, or
    // one the moment that another has its answer.
    await using rig = await startAcceptor({ handoff: "wait", listen: kind.listen, clients: 1 });
    const rounds = kind.name === "TCP" ? 200 : 40;
    const pids: string[] = [];
    for (let n = 0; n < rounds; n++) {
      if (n % 3 === 0 && kind.name !== "FIFO") {
        pids.push(...(await Promise.all([kind.ask(rig, "pid"), kind.ask(rig, "pid")])));
      } else pids.push(await kind.ask(rig, "pid"));
    }
    expect(new Set(pids).size).toBe(pids.length);
    await rig.event("handler.exited", { pid: Number(pids.at(-1)) });
    expect(await starts(rig)).toBe(pids.length);
    expect(await startFailures(rig)).toBe(0);
  });
});

test("datagrams that are all the same are each taken by a handler", async () => {
  await using rig = await startAcceptor({ handoff: "wait", listen: "udp://127.0.0.1:0", clients: 1 });
  const port = await rig.port("it");
  await using client = await datagramClient();
  const count = 20;
  for (let n = 0; n < count; n++) await client.send(port, "pid");
  const pids = new Set<string>();
  for (let n = 0; n < count; n++) pids.add((await client.receive()).data.toString());
  expect(pids.size).toBe(count);
  expect(await startFailures(rig)).toBe(0);
  expect(rig.events.filter(({ event }) => event === "connection.refused")).toEqual([]);
});

test("a handler that goes on for a while after its service was stopped is left alone", async () => {
  await using rig = await startFreezing({
    handoff: "wait",
    words: ["deaf"],
    keys: 'on_idle = "stop"\nidle_timeout = "300ms"\nstop_timeout = "1500ms"',
  });
  const { client, pid } = await visit(await rig.port("it"));
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  await client[Symbol.asyncDispose]();
  expect(await rig.event("handler.exited")).toMatchObject({ pid, signal: "SIGKILL" });
  // Not once through a descriptor that is not its listener's any more, which would be an internal error.
  expect(rig.otherLines).toEqual([]);
});
