/** The environment of a `stdio` handler: exactly what the contract says, and nothing else. */
import { readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Client, connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { needs } from "../rig/needs.ts";
import { askReport } from "../rig/report.ts";
import type { Rig } from "../rig/rig.ts";
import { ipv6 } from "./tools.ts";

test("over IPv4", async () => {
  await using rig = await startListening("127.0.0.1:0");
  const port = await rig.port("fixture");
  await using client = await connect(port);
  expect(await environmentOf(client)).toEqual(overTcp("127.0.0.1", client, port));
});

needs(ipv6)("over IPv6", async () => {
  await using rig = await startListening("[::1]:0");
  const port = await rig.port("fixture");
  await using client = await connect({ host: "::1", port });
  expect(await environmentOf(client)).toEqual(overTcp("::1", client, port));
});

needs(ipv6)("an IPv4 client of a socket for both appears as IPv4, in the log too", async () => {
  await using rig = await startListening("*:0");
  const port = await rig.port("fixture");
  await using client = await connect(port);
  expect(await environmentOf(client)).toEqual(overTcp("127.0.0.1", client, port));
  expect(await rig.event("connection.accepted")).toMatchObject({
    remote: `tcp://127.0.0.1:${client.socket.localPort}`,
    local: `tcp://127.0.0.1:${port}`,
  });
});

test("over a Unix socket", async () => {
  await using rig = await startDaemon(
    ({ directory, fixture }) => `
[services.fixture]
listen  = "unix:${directory}/service.sock"
command = "${fixture("handler")}"`,
  );
  await using client = await connect(`${rig.directory}/service.sock`);
  expect(await environmentOf(client)).toEqual({
    ...common,
    PROTO: "UNIX",
    UNIXLOCALPATH: `${rig.directory}/service.sock`,
    UNIXREMOTEPID: `${process.pid}`,
    UNIXREMOTEEUID: `${process.geteuid?.()}`,
    UNIXREMOTEEGID: `${process.getegid?.()}`,
    TINETD_CONNECTION: "1",
  });
});

test("what the service adds: passed on, from files, declared; the later wins, over the connection's too", async () => {
  await using rig = await startDaemon(
    ({ directory, fixture }) => {
      writeFileSync(join(directory, "variables"), "B=file\nC=file\n");
      return `
[services.fixture]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"
pass_environment = ["A", "B", "NOT_SET"]
environment_file = ["${directory}/variables", "-${directory}/absent"]
environment      = { C = "declared", PROTO = "mine" }`;
    },
    { environment: { A: "passed", B: "passed", SECRET: "not passed" } },
  );
  const port = await rig.port("fixture");
  await using client = await connect(port);
  expect(await environmentOf(client)).toEqual({
    ...overTcp("127.0.0.1", client, port),
    A: "passed",
    B: "file",
    C: "declared",
    PROTO: "mine",
  });
});

/** The user of the rig's services. */
const user = process.getuid?.() === 0 ? account("nobody") : { ...userInfo(), name: userInfo().username };

const common = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  TINETD_SERVICE: "fixture",
  USER: user.name,
  LOGNAME: user.name,
  HOME: user.homedir,
  SHELL: user.shell,
};

function overTcp(address: string, client: Client, port: number) {
  return {
    ...common,
    PROTO: "TCP",
    TCPREMOTEIP: address,
    TCPREMOTEPORT: `${client.socket.localPort}`,
    TCPLOCALIP: address,
    TCPLOCALPORT: `${port}`,
    REMOTE_ADDR: address,
    REMOTE_PORT: `${client.socket.localPort}`,
    REMOTE_HOST: address,
    TINETD_CONNECTION: "1",
  };
}

const startListening = (listen: string): Promise<Rig> =>
  startDaemon(({ fixture }) => `[services.fixture]\nlisten = "${listen}"\ncommand = "${fixture("handler")}"`);

async function environmentOf(client: Client): Promise<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const entry of (await askReport(client)).environment) {
    const [name = "", ...value] = entry.split("=");
    expect(variables, "each name once").not.toHaveProperty(name);
    variables[name] = value.join("=");
  }
  return variables;
}

function account(wanted: string) {
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [name = "", , , , , homedir = "", shell = ""] = line.split(":");
    if (name === wanted) return { name, homedir, shell };
  }
  throw new Error(`there is no user ${wanted}`);
}
