/**
 * The daemon's own end of the sd_notify protocol: one datagram socket for all workers, each message with the
 * credentials that the kernel vouches for. Whatever is wrong with a message, it is that message alone that is ignored
 * (an empty one once stopped systemd's manager altogether, CVE-2016-7795 and -7796).
 */
import { randomBytes } from "node:crypto";
import type { Carry } from "../native/carry.ts";
import type { Fd, Sys, Watch } from "../native/sys.ts";
import { isSystemError, READABLE } from "../native/sys.ts";

/** What a worker may say (sd_notify(3)); fields that mean nothing here are left out. */
export interface Notification {
  ready: boolean;
  stopping: boolean;
  reloading: boolean;
  watchdog: "ping" | "trigger" | null;
  status: string | null;
  errno: number | null;
  mainPid: number | null;
  extendTimeoutUsec: number | null;
  barrier: boolean;
}

const longestMessage = 4096;
const longestStatus = 256;

/** `null` for what is not a notification at all: empty, too long, or not lines of NAME=value. */
export function parseNotification(bytes: Uint8Array): Notification | null {
  if (bytes.length === 0 || bytes.length > longestMessage) return null;
  const fields = new Map<string, string>();
  for (const line of Buffer.from(bytes).toString("utf8").split("\n")) {
    if (line === "") continue;
    const equals = line.indexOf("=");
    if (equals <= 0) return null;
    fields.set(line.slice(0, equals), line.slice(equals + 1));
  }
  if (fields.size === 0) return null;
  const watchdog = fields.get("WATCHDOG");
  return {
    ready: fields.get("READY") === "1",
    stopping: fields.get("STOPPING") === "1",
    reloading: fields.get("RELOADING") === "1",
    watchdog: watchdog === "1" ? "ping" : watchdog === "trigger" ? "trigger" : null,
    status: fields.get("STATUS")?.slice(0, longestStatus) ?? null,
    errno: number(fields.get("ERRNO"), 4095),
    mainPid: number(fields.get("MAINPID"), 2 ** 22),
    extendTimeoutUsec: number(fields.get("EXTEND_TIMEOUT_USEC"), Number.MAX_SAFE_INTEGER),
    barrier: fields.get("BARRIER") === "1",
  };
}

function number(text: string | undefined, most: number): number | null {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return null;
  const value = Number(text);
  return value <= most ? value : null;
}

/** Messages read in one turn of the event loop, so that a worker that never stops talking does not hold up the rest. */
const messagesPerTurn = 64;

export interface SavedNotifySocket {
  fd: Fd;
  address: string;
}

export class NotifySocket {
  /** For `NOTIFY_SOCKET`: in the abstract namespace, so that a worker in another root directory reaches it too. */
  readonly address: string;
  readonly #sys: Sys;
  readonly #fd: Fd;
  readonly #watch: Watch;
  readonly #buffer = Buffer.alloc(longestMessage + 1);
  readonly #onMessage: (pid: number, notification: Notification) => void;

  /**
   * @param onMessage `pid` is the sender's, as the kernel says; whose process that is, the caller must know
   * @param saved what another process image of ours had: what came meanwhile stands in the socket
   */
  constructor(
    sys: Sys,
    onMessage: (pid: number, notification: Notification) => void,
    saved: { state: SavedNotifySocket; claim: Carry } | null = null,
  ) {
    this.#sys = sys;
    this.#onMessage = onMessage;
    this.address = saved?.state.address ?? `@tinetd-notify-${randomBytes(8).toString("hex")}`;
    this.#fd = saved === null ? openNotifySocket(sys, this.address) : saved.claim(saved.state.fd);
    this.#watch = sys.watch(this.#fd, () => this.#read());
    this.#watch.start(READABLE);
    this.#watch.unref();
  }

  save(carry: Carry): SavedNotifySocket {
    return { fd: carry(this.#fd), address: this.address };
  }

  close(): void {
    this.#watch.close();
    this.#sys.close(this.#fd);
  }

  #read(): void {
    for (let turn = 0; turn < messagesPerTurn; turn++) {
      let message: ReturnType<Sys["receiveMessage"]>;
      try {
        message = this.#sys.receiveMessage(this.#fd, this.#buffer);
      } catch (error) {
        if (!isSystemError(error)) throw error;
        return;
      }
      if (message === null) return;
      // Closing what came along is all that BARRIER=1 asks for: it says that everything before was read.
      for (const fd of message.fds) this.#sys.close(fd);
      if (message.credentials === null || message.truncated) continue;
      const notification = parseNotification(this.#buffer.subarray(0, message.length));
      if (notification !== null) this.#onMessage(message.credentials.pid, notification);
    }
  }
}

function openNotifySocket(sys: Sys, address: string): Fd {
  const fd = sys.socket("unix", "dgram");
  sys.setsockopt(fd, sys.constants.SOL_SOCKET ?? 1, sys.constants.SO_PASSCRED ?? 16, 1);
  sys.bind(fd, { family: "unix", path: address });
  return fd;
}
