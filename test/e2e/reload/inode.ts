import { readFileSync } from "node:fs";

/** The inode of the socket that listens at a port of 127.0.0.1 (/proc/net/tcp): the same one, or another? */
export function listenerInode(port: number): string {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const line of readFileSync("/proc/net/tcp", "latin1").split("\n")) {
    const fields = line.trim().split(/\s+/);
    // 0A is TCP_LISTEN.
    if (fields[1] === address && fields[3] === "0A") return fields[9] ?? "";
  }
  throw new Error(`nobody listens at port ${port}`);
}
