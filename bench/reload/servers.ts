/** The super-servers that can read their configuration again, with so many services as they are told. */
import { existsSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { findProgram, tinetdMain } from "../programs.ts";
import type { Launch } from "../server.ts";

/** What a server is to serve: the same handler at each port. */
export interface Task {
  handler: string;
  ports: readonly number[];
  /** A directory of its own for its files. */
  directory: string;
}

export interface ReloadableServer {
  name: string;
  /** Its program, or `null` if it is not on this machine. */
  find(): string | null;
  /** Of the file that is written, and written anew before SIGHUP. */
  configName: string;
  configure(task: Task): string;
  launch(program: string, directory: string): Omit<Launch, "errorFile">;
}

const user = userInfo().username;

export const reloadableServers: readonly ReloadableServer[] = [
  {
    name: "tinetd",
    find: () => (existsSync(tinetdMain) ? tinetdMain : null),
    configName: "inetd.toml",
    configure: tinetdConf,
    launch: (program, directory) => ({
      file: process.execPath,
      args: [program, "run", "--config", join(directory, "inetd.toml"), "--log-level", "warn"],
    }),
  },
  {
    name: "xinetd",
    find: () => findProgram("xinetd", "xinetd/usr/sbin/xinetd"),
    configName: "xinetd.conf",
    configure: ({ ports, handler }) => ports.map((port) => xinetdService(port, handler)).join(""),
    launch: (file, directory) => ({
      file,
      args: ["-dontfork", "-f", join(directory, "xinetd.conf"), "-pidfile", join(directory, "pid")],
    }),
  },
  {
    name: "openbsd-inetd",
    find: () => findProgram("inetd", "openbsd-inetd/usr/sbin/inetd"),
    configName: "inetd.conf",
    configure: inetdConf,
    launch: (file, directory) => ({
      file,
      args: ["-i", "-q", "4096", "-R", "1000000", join(directory, "inetd.conf")],
    }),
  },
];

export function writeConfiguration({ configName, configure }: ReloadableServer, task: Task): void {
  writeFileSync(join(task.directory, configName), configure(task), { mode: 0o644 });
}

function tinetdConf({ ports, handler, directory }: Task): string {
  const services = ports.map(
    (port) => `
[services.s${port}]
listen        = "127.0.0.1:${port}"
command       = ["${handler}"]
max_instances = 20
idle_timeout  = "5m"
`,
  );
  const defaults = user === "root" ? '[defaults]\nuser = "root"\n' : "";
  return `[daemon]\ncontrol_socket = "${join(directory, "control.sock")}"\n${defaults}${services.join("")}`;
}

function inetdConf({ ports, handler }: Task): string {
  return ports.map((port) => `127.0.0.1:${port} stream tcp nowait ${user} ${handler} ${handler}\n`).join("");
}

function xinetdService(port: number, handler: string): string {
  return `
service s${port}
{
  type        = UNLISTED
  socket_type = stream
  protocol    = tcp
  bind        = 127.0.0.1
  port        = ${port}
  wait        = no
  user        = ${user}
  server      = ${handler}
  instances   = 20
  per_source  = UNLIMITED
  cps         = 1000000 1
  flags       = NOLIBWRAP
  disable     = no
}
`;
}
