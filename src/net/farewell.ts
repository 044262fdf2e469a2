/**
 * The last words to a client that is refused. A plain close would destroy them: TCP answers with a reset when data of
 * the client is still unread, and the reset makes its side throw away what we sent. So the text is sent, our direction
 * shut down, and what the client sends is read and dropped until it closes, within limits of bytes, time and number.
 */
import { bytesToText, type Carry, textToBytes } from "../native/carry.ts";
import { type Fd, isSystemError, READABLE, type Sys, type Watch, WRITABLE } from "../native/sys.ts";
import { systemClock } from "../util/clock.ts";

type FarewellSys = Pick<Sys, "setBlocking" | "sendMessage" | "shutdown" | "read" | "close" | "watch">;

export interface FarewellLimits {
  /** How many may take their leave at once; beyond that the text is sent and the connection closed at once. */
  count: number;
  /** How long one may take, in milliseconds. */
  timeMs: number;
  /** How much of what the client still sends is read. */
  bytes: number;
}

export interface Farewells {
  /** Sends `text` and closes; keeps the descriptor, whatever happens. */
  say(fd: Fd, text: Uint8Array): void;
  /** How many are still taking their leave. */
  readonly open: number;
  /** Closes all of them now. */
  close(): void;
  /** For `createFarewells` in another process. */
  save(carry: Carry): SavedFarewells;
}

/** Those who are taking their leave. */
export type SavedFarewells = { fd: Fd; rest: string; drained: number; deadline: number }[];

const defaultLimits: FarewellLimits = { count: 256, timeMs: 1_000, bytes: 1 << 20 };

/** Reads per call of the event loop, so that a client that sends without pause does not hold up the others. */
const readsPerTurn = 16;

/**
 * A group of farewells that share their limits. Neither its timers nor its watches keep the process alive.
 * @param restored those of another process; nothing is said to them before this has returned
 */
export function createFarewells(
  sys: FarewellSys,
  limits: FarewellLimits = defaultLimits,
  restored: { state: SavedFarewells; claim: Carry } | null = null,
): Farewells {
  /** Each with what ends it. */
  const leaving = new Map<Farewell, () => void>();
  const scratch = new Uint8Array(16_384);

  /** One step as far as it goes without waiting: what to wait for, or `null` when the connection is done. */
  function advance(farewell: Farewell): number | null {
    try {
      while (farewell.rest.length > 0) {
        const sent = sys.sendMessage(farewell.fd, farewell.rest);
        if (sent === null) return WRITABLE;
        farewell.rest = farewell.rest.subarray(sent);
        if (farewell.rest.length === 0) sys.shutdown(farewell.fd, "write");
      }
      for (let turn = 0; turn < readsPerTurn && farewell.drained <= limits.bytes; turn++) {
        const received = sys.read(farewell.fd, scratch);
        if (received === null) return READABLE;
        if (received === 0) return null;
        farewell.drained += received;
      }
      return farewell.drained <= limits.bytes ? READABLE : null;
    } catch (error) {
      // Gone already (ECONNRESET, EPIPE, ENOTCONN ...): nothing is left to say to it.
      if (!isSystemError(error)) throw error;
      return null;
    }
  }

  function linger(farewell: Farewell, firstEvents: number): void {
    let events = firstEvents;
    const watch: Watch = sys.watch(farewell.fd, () => {
      const next = advance(farewell);
      if (next === null) finish();
      else if (next !== events) {
        events = next;
        watch.start(events);
      }
    });
    const timer = setTimeout(finish, Math.max(0, farewell.deadline - systemClock.now()));
    function finish(): void {
      clearTimeout(timer);
      leaving.delete(farewell);
      watch.close();
      sys.close(farewell.fd);
    }
    timer.unref();
    watch.unref();
    watch.start(events);
    leaving.set(farewell, finish);
  }

  function resume({ fd, rest, ...saved }: SavedFarewells[number], claim: Carry): void {
    const farewell = { ...saved, fd: claim(fd), rest: textToBytes(rest) };
    linger(farewell, farewell.rest.length > 0 ? WRITABLE : READABLE);
  }

  if (restored !== null) for (const one of restored.state) resume(one, restored.claim);

  return {
    say(fd, text) {
      sys.setBlocking(fd, false);
      const farewell = { fd, rest: text, drained: 0, deadline: systemClock.now() + limits.timeMs };
      const events = text.length === 0 ? null : advance(farewell);
      if (events === null || leaving.size >= limits.count) sys.close(fd);
      else linger(farewell, events);
    },
    get open() {
      return leaving.size;
    },
    close() {
      for (const finish of [...leaving.values()]) finish();
    },
    save: (carry) =>
      Array.from(leaving.keys(), ({ fd, rest, drained, deadline }) => ({
        fd: carry(fd),
        rest: bytesToText(rest),
        drained,
        deadline,
      })),
  };
}

interface Farewell {
  fd: Fd;
  /** What of the text is still to be sent. */
  rest: Uint8Array;
  /** Bytes read and dropped so far. */
  drained: number;
  /** Until then it may take, in milliseconds of the monotonic clock. */
  deadline: number;
}
