/** Daemons of every standing: root's and an ordinary user's, of clean and of careless parents. */
import { fileURLToPath } from "node:url";
import { asRoot, type Need, program } from "../rig/needs.ts";

export interface Standing {
  name: "root" | "an ordinary user";
  needs: readonly Need[];
  /** Starts the daemon so. */
  launcher: readonly string[];
}

/**
 * As nobody. The capability, which an ordinary user's unit may have as well, lets it read a checkout that only root may;
 * no handler may have it.
 */
const unprivileged = [
  "sh",
  "-c",
  'chown nobody:nogroup "$RUNTIME_DIRECTORY" "$RUNTIME_DIRECTORY/inetd.toml"; exec "$@"',
  "sh",
  ...["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"],
  ...["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"],
];

const isRoot = asRoot() === null;

export const standings: readonly Standing[] = [
  { name: "root", needs: [asRoot], launcher: [] },
  {
    name: "an ordinary user",
    needs: isRoot ? [program("setpriv")] : [],
    launcher: isRoot ? unprivileged : [],
  },
];

/** A parent that leaves in its child's way what it can (fixtures/careless.py). */
export const carelessParent: readonly string[] = [
  "python3",
  fileURLToPath(new URL("../fixtures/careless.py", import.meta.url)),
];

/** What such a parent leaves in the environment. */
export const secrets: Readonly<Record<string, string>> = {
  SECRET: "hunter2",
  LD_LIBRARY_PATH: "/nowhere",
  HOME: "/root",
  IFS: "x",
  LISTEN_FDS: "7",
  LISTEN_PID: "1",
  LISTEN_FDNAMES: "x",
  NOTIFY_SOCKET: "@nowhere",
  WATCHDOG_USEC: "30000000",
  WATCHDOG_PID: "1",
};
