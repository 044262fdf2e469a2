/** Who relays in the proxy benchmark, each as it would be set up for speed, to a server on a port of its own. */
import { existsSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { findProgram, tinetdMain } from "../programs.ts";
import type { Launch } from "../server.ts";

export interface Task {
  /** Where it is to listen, and the server does. */
  port: number;
  upstream: number;
  /** The server's program, for who starts it itself. */
  server: string;
  /** A directory of its own. */
  directory: string;
}

export interface Peer {
  name: string;
  /** Whether it starts the server by itself. */
  starts: boolean;
  /** What it needs, or `null` if that is not on this machine. */
  find(): readonly string[] | null;
  launch(programs: readonly string[], task: Task): Omit<Launch, "errorFile">;
}

export const socketProxyd = "systemd-socket-proxyd";
const libexec = "/lib/systemd/systemd-socket-proxyd";

export const relays: readonly Peer[] = [
  {
    name: "tinetd",
    starts: true,
    find: () => (existsSync(tinetdMain) ? [process.execPath, tinetdMain] : null),
    launch: ([file = "", main = ""], { port, upstream, server, directory }) => {
      const conf = join(directory, "inetd.toml");
      const text = `
[daemon]
control_socket = "${join(directory, "control.sock")}"
[services.bench]
listen   = "127.0.0.1:${port}"
handoff  = "proxy"
command  = ["${server}", "serve", "${upstream}"]
upstream = "127.0.0.1:${upstream}"
${userInfo().username === "root" ? 'user = "root"' : ""}
`;
      writeFileSync(conf, text, { mode: 0o644 });
      return { file, args: [main, "run", "--config", conf] };
    },
  },
  {
    name: socketProxyd,
    starts: false,
    find: () => {
      const activate = findProgram("systemd-socket-activate");
      return activate !== null && existsSync(libexec) ? [activate, libexec] : null;
    },
    // It listens nowhere by itself; what does so for it becomes it by exec.
    launch: ([file = "", proxyd = ""], { port, upstream }) => ({
      file,
      args: ["--listen", `127.0.0.1:${port}`, proxyd, "--connections-max=4096", `127.0.0.1:${upstream}`],
    }),
  },
  {
    name: "socat",
    starts: false,
    find: () => {
      const socat = findProgram("socat");
      return socat === null ? null : [socat];
    },
    launch: ([file = ""], { port, upstream }) => ({
      file,
      args: [
        "-b",
        "65536",
        `TCP4-LISTEN:${port},bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=4096`,
        `TCP4:127.0.0.1:${upstream},nodelay`,
      ],
    }),
  },
];
