/** Where the control socket is when nobody says so. */
import { lstatSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeParents } from "../net/directory.ts";
import { err, ok, type Result } from "../util/result.ts";

const name = "control.sock";

/** In $RUNTIME_DIRECTORY (systemd gives a list, the first counts), else by who we are. */
export function defaultControlSocket(
  environment: Readonly<Record<string, string | undefined>>,
  uid: number,
): string {
  const runtime = environment.RUNTIME_DIRECTORY?.split(":")[0];
  if (runtime !== undefined && runtime !== "") return join(runtime, name);
  if (uid === 0) return join("/run/tinetd", name);
  const user = environment.XDG_RUNTIME_DIR;
  if (user !== undefined && user !== "") return join(user, "tinetd", name);
  return join(`/tmp/tinetd-${uid}`, name);
}

/**
 * Makes the folder of the socket if it is absent, and refuses one in which somebody else could put a socket in our
 * place: below /tmp anybody may have made it first.
 */
export function ensureControlDirectory(socket: string, uid: number): Result<null, string> {
  const folder = dirname(socket);
  try {
    const made = makeParents(socket, folder.startsWith("/tmp/") ? 0o700 : 0o755);
    if (!made.ok) return err(made.error.reason);
    const stats = lstatSync(folder);
    if (!stats.isDirectory()) return err(`${folder} is not a directory`);
    const sticky = (stats.mode & 0o1000) !== 0;
    if (stats.uid !== uid && stats.uid !== 0) return err(`${folder} belongs to uid ${stats.uid}`);
    if ((stats.mode & 0o022) !== 0 && !sticky) return err(`${folder} may be written by others`);
    return ok(null);
  } catch (error) {
    return err(`${folder}: ${(error as NodeJS.ErrnoException).code}`);
  }
}
