/**
 * Who wakes the worker of the listen benchmark: tinetd, with a service for every cold start of a turn, and
 * systemd-socket-activate, which becomes the worker by exec and so is started anew for every cold start.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { tinetdMain } from "../programs.ts";
import { freePort, freePorts, type Server, startServer } from "../server.ts";

/** Something that holds listening sockets, each of which is good for one cold start in a turn. */
export interface Sleepers {
  ports: readonly number[];
  stop(): Promise<void>;
}

/**
 * The daemon, with one service whose worker stays and `cold` ones whose workers end after one client.
 * @returns the port of the first, and the sleepers, which sleep again after each turn
 */
export async function startTinetd(
  worker: string,
  cold: number,
  log: "all" | "none",
  directory: string,
): Promise<{ warmPort: number; sleepers: Sleepers }> {
  mkdirSync(directory);
  const warmPort = await freePort();
  const ports = await freePorts(cold);
  const service = (name: string, port: number, clients: number) => `
[services.${name}]
listen  = "127.0.0.1:${port}"
handoff = "listen"
command = ["${worker}", "${clients}"]
log     = "${log}"
${userInfo().username === "root" ? 'user = "root"' : ""}
`;
  const conf = join(directory, "inetd.toml");
  writeFileSync(
    conf,
    [
      `[daemon]\ncontrol_socket = "${join(directory, "control.sock")}"\n`,
      service("warm", warmPort, 0),
      ...ports.map((port, n) => service(`cold${n}`, port, 1)),
    ].join(""),
    { mode: 0o644 },
  );
  const server = await startServer(
    {
      file: process.execPath,
      args: [tinetdMain, "run", "--config", conf],
      errorFile: join(directory, "stderr"),
    },
    ports.at(-1) ?? warmPort,
  );
  return { warmPort, sleepers: { ports, stop: () => server.stop() } };
}

/** As many of it as there are to be cold starts. */
export async function startSocketActivates(
  program: string,
  worker: string,
  count: number,
  clients: number,
  errorFile: string,
): Promise<Sleepers> {
  const servers: Server[] = [];
  const stop = async () => void (await Promise.all(servers.map((server) => server.stop())));
  try {
    for (const port of await freePorts(count)) {
      const args = ["--listen", `127.0.0.1:${port}`, worker, `${clients}`];
      servers.push(await startServer({ file: program, args, errorFile }, port));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { ports: servers.map(({ port }) => port), stop };
}
