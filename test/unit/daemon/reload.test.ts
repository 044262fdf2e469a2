import { expect, test } from "vitest";
import type { Config } from "../../../src/config/config.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { followed, isNothing, mergeDaemon, planReload, postponed } from "../../../src/daemon/reload.ts";
import { followAll, type Setting } from "../../../src/daemon/settings.ts";
import { memoryReader } from "../config/memory.ts";

const path = "/etc/tinetd/inetd.toml";

function configOf(text: string): Config {
  const loaded = loadConfig(path, {
    reader: memoryReader({ [path]: text }),
    uid: 1000,
    workingDirectory: "/",
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  return loaded.value;
}

const plain = '[services.a]\nlisten = 7\ncommand = "cat"\n';
const worker = '[services.a]\nlisten = 7\nhandoff = "listen"\ncommand = "d"\n';

function changeOf(before: string, after: string) {
  const [change] = planReload(configOf(before), configOf(after)).changed;
  return change === undefined ? null : { keys: change.keys, replaces: change.replaces };
}

test("by name: added, removed, changed, unchanged", () => {
  const service = (name: string, port: number) => `[services.${name}]\nlisten = ${port}\ncommand = "cat"\n`;
  const before = configOf(service("same", 1) + service("other", 2) + service("gone", 3));
  const after = configOf(service("other", 20) + service("new", 4) + service("same", 1));
  const plan = planReload(before, after);
  expect(plan.added.map(({ name }) => name)).toEqual(["new"]);
  expect(plan.removed).toEqual(["gone"]);
  expect(plan.changed).toMatchObject([{ config: { name: "other" }, keys: ["listen"] }]);
  expect(plan.unchanged).toBe(1);
});

test("a comment, the order of keys, another way of writing, a default spelled out: no change", () => {
  const same = '# comment\n[services.a]\ncommand = ["cat"]\nlisten = "*:7"\numask = "022"\n';
  expect(changeOf(plain, same)).toBeNull();
});

test.each([
  ["a limit", plain, `${plain}max_instances = 3`, { keys: ["max_instances"], replaces: false }],
  ["another address", plain, plain.replace("7", "8"), { keys: ["listen"], replaces: false }],
  ["another command", plain, plain.replace("cat", "dog"), { keys: ["command"], replaces: true }],
  ["the context", plain, `${plain}umask = "077"`, { keys: ["umask"], replaces: true }],
  [
    "an address of a worker that has it",
    worker,
    worker.replace("7", "8"),
    { keys: ["listen"], replaces: true },
  ],
  [
    "the life of workers",
    worker,
    `${worker}idle_timeout = "1m"\nworkers = { min = 1 }\nstop_signal = "SIGINT"\nrestart = "always"`,
    { keys: ["workers", "idle_timeout", "stop_signal", "restart"], replaces: false },
  ],
  [
    "what a worker is told at its start",
    worker,
    `${worker}watchdog = "1m"`,
    { keys: ["watchdog"], replaces: true },
  ],
  ["defaults of all", plain, `[defaults]\nnice = 3\n${plain}`, { keys: ["nice"], replaces: true }],
])("%s", (_what, before, after, change) => {
  expect(changeOf(before, after)).toEqual(change);
});

test("another handoff replaces, whatever else it brings", () => {
  expect(changeOf(plain, plain.replace("command", 'handoff = "wait"\ncommand'))).toMatchObject({
    replaces: true,
  });
});

test("of the daemon's own keys some wait for the next start", () => {
  const before = configOf(`[daemon]\nmax_connections = 10\n${plain}`);
  const after = configOf(`[daemon]\nmax_connections = 20\ncontrol_socket = "/run/x.sock"\n${plain}`);
  const plan = planReload(before, after);
  expect(postponed(plan)).toEqual(["control_socket"]);
  expect(isNothing(plan)).toBe(false);
  expect(isNothing({ ...plan, daemon: ["control_socket"] })).toBe(true);
  expect(followed(plan)).toEqual(["max_connections"]);
  const merged = mergeDaemon(before.daemon, after.daemon, ["control_socket"]);
  expect(merged).toEqual({ ...before.daemon, maxConnections: 20 });
});

test("settings follow where their keys differ, and say what could not be done", async () => {
  const { daemon } = configOf(plain);
  const asked: string[] = [];
  const setting = (name: string, keys: string[], failure: string | null): Setting => ({
    keys,
    afterServices: false,
    follow: () => {
      asked.push(name);
      return failure;
    },
  });
  const settings = [
    setting("groups", ["control_group", "status_group"], "no such group"),
    setting("log", ["log"], null),
    setting("http", ["http"], "taken"),
  ];
  expect(await followAll(settings, ["log", "status_group"], daemon)).toEqual([
    { key: "status_group", failure: "no such group" },
  ]);
  expect(asked).toEqual(["groups", "log"]);
});
