/** What the tests of `proxy` share: a daemon that knows nothing of tinetd, and clients who command it. */
import { execFileSync } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type RigOptions, startDaemon } from "../rig/daemon.ts";
import type { Rig } from "../rig/rig.ts";

const source = fileURLToPath(new URL("workers/daemon.py", import.meta.url));

/** A place to listen: the directory is the rig's, which the daemon may write to. */
type Address = (directory: string) => string;

export interface ProxyOptions extends RigOptions {
  /** What stands in `listen`. Default: TCP on a free port of loopback. */
  listen?: Address;
  /** Where the daemon listens, as it takes it. Default: a path. */
  upstream?: Address;
  /** Further words of the daemon (workers/daemon.py). */
  words?: (directory: string) => readonly string[];
  /** Further keys of the service, and tables after it. */
  keys?: string;
}

/** A daemon whose service `it` relays to the fixture. */
export function startProxy(options: ProxyOptions = {}): Promise<Rig> {
  const {
    listen = () => "127.0.0.1:0",
    upstream = (directory) => `${directory}/run/daemon.sock`,
    words = () => [],
  } = options;
  return startDaemon(({ directory }) => {
    const program = join(directory, "daemon.py");
    copyFileSync(source, program);
    const at = upstream(directory);
    const command = ["/usr/bin/python3", "-S", "-E", program, at, ...words(directory)];
    return `
[services.it]
listen   = "${listen(directory)}"
handoff  = "proxy"
command  = ${JSON.stringify(command)}
upstream = "${at.includes(":") ? at : `unix:${at}`}"
runtime_directory = "${directory}/run"
${options.keys ?? ""}
`;
  }, options);
}

let addresses = 0;

/** A TCP address that nobody else has: an address of loopback that is this process's own. */
export function ownAddress(): string {
  addresses += 1;
  return `127.${100 + (process.pid >> 16)}.${(process.pid >> 8) & 255}.${process.pid & 255}:${6100 + addresses}`;
}

/** Something that a daemon waits for, until it is opened. */
export interface Gate {
  /** The word of the daemon, by the name of its gate. */
  word(name: string): (directory: string) => string[];
  /** Lets the daemon through that waits, or the next one, and waits until it has gone through. */
  open(rig: Rig): Promise<void>;
}

export function gate(file: string): Gate {
  return {
    word: (name) => (directory) => {
      const path = join(directory, file);
      execFileSync("mkfifo", ["-m", "0666", path]);
      return [`${name}=${path}`];
    },
    async open(rig) {
      const handle = await open(join(rig.directory, file), "w");
      await handle.close();
    },
  };
}

/** The word of a daemon that ends at once while a file is there, as it is from the beginning. */
export function faulty(directory: string): string[] {
  const path = join(directory, "fault");
  writeFileSync(path, "");
  return [`fault=${path}`];
}
