/**
 * The servers of the stdio benchmark and how each is set up: fairly, that is with a long backlog where there is an option for it, no
 * limit on rate or number that the clients could reach, no name look-ups, no log but what cannot be switched off,
 * and without a change of user, which not all of them can do.
 */
import { existsSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { findProgram, tinetdMain } from "../programs.ts";
import type { Launch } from "../server.ts";

/** What a server is told. */
export interface Task {
  handler: string;
  port: number;
  /** A directory of its own for its files. */
  directory: string;
}

export interface Peer {
  name: string;
  /** Its program, or `null` if it is not on this machine. */
  find(): string | null;
  launch(program: string, task: Task): Omit<Launch, "errorFile">;
}

const user = userInfo().username;

export const peers: readonly Peer[] = [
  tinetd("tinetd", "all"),
  tinetd("tinetd, log = none", "none"),
  {
    name: "tcpserver",
    find: () => findProgram("tcpserver"),
    launch: (file, { handler, port }) => ({
      file,
      args: ["-H", "-R", "-l", "localhost", "-c", "1000", "-b", "4096", "127.0.0.1", `${port}`, handler],
    }),
  },
  {
    name: "tcpsvd",
    find: () => findProgram("tcpsvd"),
    launch: (file, { handler, port }) => ({
      file,
      args: ["-l", "localhost", "-c", "1000", "-b", "4096", "127.0.0.1", `${port}`, handler],
    }),
  },
  {
    name: "xinetd",
    find: () => findProgram("xinetd", "xinetd/usr/sbin/xinetd"),
    launch: (file, task) => ({
      file,
      args: [
        "-dontfork",
        "-f",
        write(task, "xinetd.conf", xinetdConf(task)),
        "-pidfile",
        join(task.directory, "pid"),
      ],
    }),
  },
  {
    name: "openbsd-inetd",
    find: () => findProgram("inetd", "openbsd-inetd/usr/sbin/inetd"),
    launch: (file, task) => ({
      file,
      args: ["-i", "-q", "4096", "-R", "1000000", write(task, "inetd.conf", inetdConf(task))],
    }),
  },
  {
    name: "inetutils-inetd",
    find: () => findProgram("inetutils-inetd", "inetutils-inetd/usr/sbin/inetutils-inetd"),
    launch: (file, task) => {
      // In the foreground it would debug; so it detaches itself, and its pid is in a file.
      const pidFile = join(task.directory, "pid");
      const conf = write(task, "inetd.conf", inetdConf(task));
      return { file, args: [`--pidfile=${pidFile}`, "--rate=1000000000", conf], pidFile };
    },
  },
  {
    name: "systemd-socket-activate",
    find: () => findProgram("systemd-socket-activate"),
    launch: (file, { handler, port }) => ({
      file,
      args: ["--listen", `127.0.0.1:${port}`, "--accept", "--inetd", handler],
    }),
  },
];

/** The daemon as it is, and once more without a line per connection, which the others do not write. */
function tinetd(name: string, log: "all" | "none"): Peer {
  return {
    name,
    find: () => (existsSync(tinetdMain) ? tinetdMain : null),
    launch: (program, task) => {
      const conf = `
[daemon]
control_socket = "${join(task.directory, "control.sock")}"
[services.bench]
listen  = "127.0.0.1:${task.port}"
command = ["${task.handler}"]
log     = "${log}"
${user === "root" ? 'user = "root"' : ""}
`;
      return { file: process.execPath, args: [program, "run", "--config", write(task, "inetd.toml", conf)] };
    },
  };
}

function inetdConf({ port, handler }: Task): string {
  return `127.0.0.1:${port} stream tcp nowait ${user} ${handler} ${handler}\n`;
}

function xinetdConf({ port, handler }: Task): string {
  return `
service bench
{
  type       = UNLISTED
  socket_type = stream
  protocol   = tcp
  bind       = 127.0.0.1
  port       = ${port}
  wait       = no
  user       = ${user}
  server     = ${handler}
  instances  = UNLIMITED
  per_source = UNLIMITED
  cps        = 1000000 1
  flags      = NOLIBWRAP
  disable    = no
}
`;
}

function write(task: Task, name: string, text: string): string {
  const path = join(task.directory, name);
  writeFileSync(path, text, { mode: 0o644 });
  return path;
}
