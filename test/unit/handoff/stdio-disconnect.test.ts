/** Who of the clients of `stdio` counts as gone, by what the kernel shows at each look. */
import { expect, test } from "vitest";
import type { Connection, HandlerRef, Incoming } from "../../../src/handoff/handoff.ts";
import { watchDisconnects } from "../../../src/handoff/stdio-disconnect.ts";
import type { WatchedEnd } from "../../../src/net/ends.ts";
import { overTcp, overUnix } from "./incoming.ts";

/** One handler with one connection, whose cookie is "7". */
function watched(incoming: Incoming, isOver = () => false) {
  let tcp: ReadonlySet<string> | null = new Set(["7"]);
  let unix: ReadonlyMap<string, boolean> | null = new Map([["7", true]]);
  const looks: (() => void)[] = [];
  const stopped: string[] = [];
  const config = { onDisconnect: "stop" };
  const host = {
    config,
    sys: { socketCookie: () => "7" },
    clock: {
      after(_delayMs: number, look: () => void) {
        looks.push(look);
        return { cancel: () => looks.splice(0) };
      },
    },
    livingTcp: () => tcp,
    livingUnix: () => unix,
  } as unknown as Parameters<typeof watchDisconnects>[0];
  const handler = { pid: 1, stop: (reason: string) => stopped.push(reason) } as unknown as HandlerRef;
  const end = { isOver } as WatchedEnd;
  let disconnects = watchDisconnects(host);
  disconnects.add(incoming, end, handler);
  return {
    config,
    disconnects: () => disconnects,
    stopped,
    looks,
    /** Another process goes on with what this one has saved. */
    upgrade() {
      const saved = disconnects.save();
      expect(JSON.parse(JSON.stringify(saved))).toEqual(saved);
      looks.splice(0);
      disconnects = watchDisconnects(host);
      const connection = { end } as Connection;
      const handlers = new Map([[1, { ...handler, connection }]]);
      disconnects.restore(JSON.parse(JSON.stringify(saved)), { handlers });
    },
    /** Looks with these sockets there. */
    look(there: ReadonlySet<string> | ReadonlyMap<string, boolean> | null) {
      if (there instanceof Map) unix = there;
      else if (there instanceof Set || there === null) [tcp, unix] = [there, null];
      looks.shift()?.();
      return stopped.length;
    },
  };
}

const nobody = new Set<string>();
const everybody = new Set(["7", "8"]);

test("over TCP, who is missing twice in a row", () => {
  const { look, stopped, looks } = watched(overTcp);
  expect([look(everybody), look(nobody), look(everybody), look(nobody)]).toEqual([0, 0, 0, 0]);
  expect(look(nobody)).toBe(1);
  expect(stopped).toEqual(["the client has gone"]);
  expect(looks).toHaveLength(0);
});

test("not who is missing since the handler has closed the connection", () => {
  const { look, looks } = watched(overTcp, () => true);
  expect([look(nobody), look(nobody)]).toEqual([0, 0]);
  expect(looks).toHaveLength(0);
});

test("nobody where the kernel cannot tell", () => {
  const { look } = watched(overTcp);
  expect([look(null), look(null), look(nobody), look(null), look(nobody)]).toEqual([0, 0, 0, 0, 0]);
  const local = watched(overUnix);
  expect([local.look(null), local.look(null)]).toEqual([0, 0]);
});

test("over a Unix socket, whose other end nobody has any more; not one that the handler has closed", () => {
  const { look } = watched(overUnix);
  expect(look(new Map())).toBe(0);
  expect(look(new Map([["7", true]]))).toBe(0);
  expect(look(new Map([["7", false]]))).toBe(1);
});

test("nobody looks while there is no handler", () => {
  const { disconnects, looks } = watched(overTcp);
  expect(looks).toHaveLength(1);
  disconnects().remove(1);
  expect(looks).toHaveLength(0);
});

test.each([
  ["TCP", overTcp, everybody, nobody],
  ["a Unix socket", overUnix, new Map([["7", true]]), new Map([["7", false]])],
] as const)("who goes during an upgrade is noticed, over %s", (_what, incoming, there, gone) => {
  const { look, upgrade, stopped, disconnects, looks } = watched(incoming);
  look(there);
  upgrade();
  expect(look(there)).toBe(0);
  look(gone);
  look(gone);
  expect(stopped).toEqual(["the client has gone"]);
  upgrade();
  expect([looks.length, disconnects().save()]).toEqual([0, []]);
});

test("not one whose handler closes the connection during an upgrade", () => {
  const state = { isOver: false };
  const { look, upgrade } = watched(overTcp, () => state.isOver);
  upgrade();
  state.isOver = true;
  expect([look(nobody), look(nobody)]).toEqual([0, 0]);
});

test("nobody once the key says otherwise", () => {
  const { look, looks, config } = watched(overTcp);
  look(nobody);
  config.onDisconnect = "ignore";
  expect(look(nobody)).toBe(0);
  expect(looks).toHaveLength(0);
});
