/**
 * dbus-daemon on a Unix socket, with `listen`.
 *
 * It takes the descriptors of LISTEN_FDS and checks LISTEN_PID, asks the kernel for the account of each client, and its
 * clients stay connected for as long as they live.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { asRoot, needs, program } from "../e2e/rig/needs.ts";
import type { Rig } from "../e2e/rig/rig.ts";
import { documented } from "./documented.ts";
import { nobody } from "./files.ts";
import { type Outcome, run } from "./run.ts";
import { expectGone, expectIdle } from "./served.ts";

type Account = typeof nobody;

const possible = needs(asRoot, program("/usr/bin/dbus-daemon"), program("gdbus"), program("dbus-monitor"));

possible("the next client wakes it again after it was idle", async () => {
  await using rig = await startDaemon(({ directory }) => table(directory, "bus", "200ms"));
  expectIdle(rig);

  const first = await idOf(rig, "bus");
  const gone = await expectGone(rig, "bus");
  expect(gone.exited.code).toBe(0);
  const { pid } = gone.exited;
  expect(await rig.event("handler.stopping", { pid })).toMatchObject({ reason: "idle_timeout" });

  expect(await idOf(rig, "bus")).not.toBe(first);
  await expectGone(rig, "bus", gone);
});

possible("serves clients that come at the same time, and no other account", async () => {
  await using rig = await startDaemon(({ directory }) => table(directory, "bus", "5m"));
  const ids = await Promise.all(Array.from({ length: 10 }, () => idOf(rig, "bus")));
  expect(new Set(ids).size).toBe(1);
  const stranger = await call(rig, "bus", { uid: 0, gid: 0 });
  expect(stranger.code).toBe(1);
  expect((await rig.status()).services).toMatchObject([{ spawned: 1 }]);
});

possible("is not idle while somebody is connected, who gets what others send", async () => {
  // The other bus is used later and has more time: when it is taken away, this one would have been too.
  await using rig = await startDaemon(
    ({ directory }) => `${table(directory, "bus", "200ms")}\n${table(directory, "other", "1500ms")}`,
  );
  {
    await using monitor = await startMonitor(rig, "bus");
    await idOf(rig, "other");
    await rig.event("handler.exited", { service: "other" });
    const sent = await gdbus(rig, "bus", [
      "emit",
      "--object-path",
      "/",
      "--signal",
      "org.example.Said",
      "'hello'",
    ]);
    expect(sent).toMatchObject({ code: 0, stderr: "" });
    await monitor.prints(/string "hello"/);
  }
  await expectGone(rig, "bus");
});

function table(directory: string, name: string, idleTimeout: string): string {
  return documented("bus", {
    "services.bus": `services.${name}`,
    "unix:/run/app/bus": `unix:${directory}/${name}`,
    "5m": idleTimeout,
  });
}

/** Each run of a bus has an id of its own. */
async function idOf(rig: Rig, name: string): Promise<string> {
  const { code, stdout, stderr } = await call(rig, name, nobody);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.toString();
}

function call(rig: Rig, name: string, account: Account): Promise<Outcome> {
  const method = [
    "--dest",
    "org.freedesktop.DBus",
    "--object-path",
    "/",
    "--method",
    "org.freedesktop.DBus.GetId",
  ];
  return gdbus(rig, name, ["call", ...method], account);
}

function gdbus(
  rig: Rig,
  name: string,
  [verb = "", ...args]: string[],
  account: Account = nobody,
): Promise<Outcome> {
  const environment = addressOf(rig, name);
  return run("gdbus", [verb, "--session", ...args], { environment, account });
}

interface Monitor extends AsyncDisposable {
  /** Waits for a line, or rejects when it ends before. */
  prints(pattern: RegExp): Promise<void>;
}

/** A client that stays connected and prints what is said. Disposing of it disconnects it. */
async function startMonitor(rig: Rig, name: string): Promise<Monitor> {
  const child = spawn("dbus-monitor", ["--session"], {
    ...nobody,
    env: { PATH: process.env.PATH, ...addressOf(rig, name) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = once(child, "close");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const prints = async (pattern: RegExp): Promise<void> => {
    for (;;) {
      const { done, value } = await lines.next();
      if (done) throw new Error(`dbus-monitor ended without ${pattern}`);
      if (pattern.test(value)) return;
    }
  };
  // It gives its name up when it becomes a monitor.
  await prints(/member=NameLost/);
  return {
    prints,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await closed;
    },
  };
}

function addressOf(rig: Rig, name: string): { DBUS_SESSION_BUS_ADDRESS: string } {
  return { DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(rig.directory, name)}` };
}
