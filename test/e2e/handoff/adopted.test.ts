/** A daemon that was started with sockets serves whoever waits in them, and closes those that nobody declares. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { asNobody } from "../cli/tinetd.ts";
import { connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { asRoot, needs, program } from "../rig/needs.ts";
import { activated } from "./activated.ts";
import { kind } from "./clients.ts";

const socketActivation = needs(program("systemd-socket-activate"));
const withDescriptors = ["python3", fileURLToPath(new URL("../fixtures/listening.py", import.meta.url))];

describe("by systemd's protocol", () => {
  socketActivation("a socket by its name; the client that woke the daemon is served", async () => {
    await using rig = await activated({
      sockets: (directory) => ["-l", `${directory}/it.sock`, "--fdname=web"],
      configuration: (_, acceptor) => service('"systemd:web"', acceptor),
    });
    const stream = kind("Unix stream");
    const pid = await stream.ask(rig, "pid");
    expect(await rig.event("daemon.ready")).not.toHaveProperty("unknown");
    expect(await rig.address("it")).toBe(`unix:${rig.directory}/it.sock`);
    expect((await rig.event("handler.started")).pid).toBe(Number(pid));
    expect(await stream.ask(rig, "pid")).toBe(pid);
    expect(await rig.stop()).toEqual({ code: 0, signal: null });
    // Its maker's to remove: he may still hold it.
    expect(existsSync(join(rig.directory, "it.sock"))).toBe(true);
  });

  socketActivation("one that is bound where something is declared", async () => {
    await using rig = await activated({
      sockets: (directory) => ["-l", `${directory}/it.sock`],
      configuration: (directory, acceptor) => service(`"${directory}/it.sock"`, acceptor),
    });
    expect(await kind("Unix stream").ask(rig, "index")).toBe("0");
    expect(await rig.event("daemon.ready")).toMatchObject({ listeners: 1, failed: 0 });
  });

  socketActivation("datagrams: the one that woke the daemon is still there, once", async () => {
    await using rig = await activated({
      sockets: (directory) => ["-d", "-l", `${directory}/it.sock`, "--fdname=log"],
      configuration: (_, acceptor) => service('"systemd:log"', acceptor, "wait"),
    });
    const datagrams = kind("Unix datagrams");
    const pid = await datagrams.ask(rig, "pid");
    expect((await rig.event("handler.started")).pid).toBe(Number(pid));
    expect(await datagrams.ask(rig, "pid")).toBe(pid);
  });

  socketActivation("a kind that its handoff cannot serve is a failure, said once", async () => {
    await using rig = await activated({
      sockets: (directory) => ["-d", "-l", `${directory}/it.sock`, "--fdname=log"],
      configuration: (_, acceptor) => service('"systemd:log"', acceptor, "stdio"),
    });
    await kind("Unix datagrams").leave(rig, "nobody reads it");
    const failure = await rig.event("service.failed");
    expect(failure).toMatchObject({ address: `unix-dgram:${rig.directory}/it.sock` });
    expect(failure.reason).toMatch(/^a unix-dgram socket does not go with handoff = "stdio": /);
    expect(await rig.event("daemon.ready")).toMatchObject({ listeners: 0, failed: 1 });
  });

  socketActivation(
    "all sockets of a name go to the worker; one that nobody declares is closed and reported",
    async () => {
      await using rig = await activated({
        sockets: (directory) => [
          ...["-l", `${directory}/it.sock`, "-l", `${directory}/also.sock`, "-l", `${directory}/other.sock`],
          "--fdname=web:web:other",
        ],
        configuration: (_, acceptor) => service('"systemd:web"', acceptor),
      });
      const [it, also, other] = ["it", "also", "other"].map((name) => join(rig.directory, `${name}.sock`));
      await using client = await connect(also ?? "");
      expect(await client.command("addresses")).toBe(`${it} ${also}`);
      expect(await rig.event("daemon.ready")).toMatchObject({
        listeners: 2,
        unknown: [`other (unix:${other})`],
      });
      await expect(connect(other ?? "")).rejects.toThrow("ECONNREFUSED");
    },
  );

  socketActivation("a name that was not given is a failure of that service alone", async () => {
    await using rig = await activated({
      sockets: (directory) => ["-l", `${directory}/it.sock`, "--fdname=web"],
      configuration: (_, acceptor) =>
        `${service('"systemd:web"', acceptor)}\n${service('"systemd:absent"', acceptor).replace("services.it", "services.absent")}`,
    });
    expect(await kind("Unix stream").ask(rig, "index")).toBe("0");
    expect(await rig.event("service.failed", { service: "absent" })).toMatchObject({
      address: "systemd:absent",
    });
  });
});

describe("by number", () => {
  const possible = needs(program("python3"));

  possible("a socket is adopted with its queue, under the address that it has", async () => {
    await using rig = await startDaemon(({ fixture }) => service('"fd:7"', fixture("acceptor")), {
      launcher: [...withDescriptors, "7,9"],
    });
    const address = await rig.address("it");
    expect(address).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
    expect(await kind("TCP").ask(rig, "index")).toBe("0");
    expect(await kind("TCP").ask(rig, "addresses")).toBe(address.slice(address.lastIndexOf(":") + 1));
  });
});

for (const handoff of ["listen", "wait", "stdio"] as const) {
  needs(asRoot)(`${handoff}: a socket whose last owner died while nobody was to come in`, async () => {
    const command = (fixture: string) => (handoff === "stdio" ? "/bin/pwd" : fixture);
    await using rig = await startDaemon(
      ({ fixture }) => service('"fd:7"', command(fixture("acceptor")), handoff),
      { launcher: [...withDescriptors, "7-"] },
    );
    await rig.address("it");
    await using client = await connect(await rig.port("it"));
    if (handoff === "stdio") expect(`${await client.rest()}`).not.toBe("");
    else expect(await client.command("index")).toBe("0");
  });
}

test("LISTEN_FDS that are meant for another process are left alone", async () => {
  await using rig = await startDaemon(({ fixture }) => service('"127.0.0.1:0"', fixture("acceptor")), {
    environment: { LISTEN_FDS: "1", LISTEN_PID: "1", LISTEN_FDNAMES: "x" },
  });
  expect(await kind("TCP").ask(rig, "index")).toBe("0");
  expect(await rig.event("daemon.ready")).not.toHaveProperty("unknown");
});

function service(listen: string, command: string, handoff: "listen" | "wait" | "stdio" = "listen"): string {
  return `[services.it]\nhandoff = "${handoff}"\nlisten = ${listen}\ncommand = "${command}"\n${asNobody}`;
}
