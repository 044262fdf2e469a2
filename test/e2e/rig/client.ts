/** Clients of the services under test: a stream that is read by lines or whole, and datagrams. */
import { createSocket, type Socket as DatagramSocket, type RemoteInfo } from "node:dgram";
import { on, once } from "node:events";
import { createConnection, Socket } from "node:net";
import { loadSys } from "../../../src/native/sys.ts";

/** A port of 127.0.0.1, the path of a Unix socket (`@name`: abstract), or a host and port. */
export type Target = number | string | { host: string; port: number };

/** One connection. What the server sends is kept until it is asked for; disposing of it destroys the connection. */
export interface Client extends AsyncDisposable {
  readonly socket: Socket;
  write(data: string | Uint8Array): void;
  /** Half-close: the server reads the end, and may still answer. */
  end(): void;
  /** Ends the connection with a reset. */
  reset(): void;
  /** The next line without its newline. Rejects if the connection ends before. */
  line(): Promise<string>;
  /** Sends a command to the fixture handler and waits for the line that answers it. */
  command(text: string): Promise<string>;
  /** All that comes from here on until the server ends the connection. Rejects on a reset. */
  rest(): Promise<Buffer>;
}

/** Connects, or rejects as the kernel does (ECONNREFUSED ...). */
export async function connect(target: Target): Promise<Client> {
  if (typeof target === "string" && target.startsWith("@")) return clientOf(connectAbstract(target));
  const socket = createConnection({ ...destination(target), allowHalfOpen: true });
  await once(socket, "connect");
  return clientOf(socket);
}

/** Everything that the server at `target` sends by itself. */
export async function readAll(target: Target): Promise<string> {
  await using client = await connect(target);
  return (await client.rest()).toString();
}

/** Sends `text`, half-closes, and reads the whole answer: what `echo text | nc` does. */
export async function ask(target: Target, text: string): Promise<string> {
  await using client = await connect(target);
  client.write(text);
  client.end();
  return (await client.rest()).toString();
}

/** A UDP socket on loopback. */
export interface DatagramClient extends AsyncDisposable {
  readonly socket: DatagramSocket;
  send(port: number, data: string | Uint8Array): Promise<void>;
  /** The next datagram. Rejects after 20 seconds. */
  receive(): Promise<{ data: Buffer; port: number }>;
}

/** So that a test which waits in vain for a datagram fails, and ends its daemon, before the runner's own time is up. */
const patienceMs = 20_000;

export async function datagramClient(): Promise<DatagramClient> {
  const socket = createSocket("udp4");
  const messages = on(socket, "message") as AsyncIterator<[Buffer, RemoteInfo]>;
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    socket,
    send: (port, data) =>
      new Promise((resolve, reject) => {
        socket.send(data, port, "127.0.0.1", (error) => (error === null ? resolve() : reject(error)));
      }),
    async receive() {
      const timer = setTimeout(() => void messages.throw?.(new Error("no datagram within 20 s")), patienceMs);
      const { value } = await messages.next().finally(() => clearTimeout(timer));
      const [data, { port }] = value;
      return { data, port };
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}

function destination(target: Target): { path: string } | { host: string; port: number } {
  if (typeof target === "number") return { host: "127.0.0.1", port: target };
  return typeof target === "string" ? { path: target } : target;
}

/** By the addon: Node's own client fills abstract names up with zeros to their full length (libuv 1.46). */
function connectAbstract(path: string): Socket {
  const sys = loadSys();
  const fd = sys.socket("unix", "stream");
  try {
    sys.connect(fd, { family: "unix", path });
  } catch (error) {
    sys.close(fd);
    throw error;
  }
  return new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
}

function clientOf(socket: Socket): Client {
  let received: Buffer = Buffer.alloc(0);
  let taken = 0;
  socket.on("data", (chunk) => {
    received = Buffer.concat([received, chunk]);
  });
  const ended = new Promise<void>((resolve, reject) => {
    socket.on("end", resolve).on("error", reject);
    socket.on("close", () => reject(new Error("the client itself has closed the connection")));
  });
  ended.catch(() => {}); // told to whoever asks, and not everybody does
  const endedTooSoon = async (): Promise<never> => {
    await ended;
    throw new Error(
      `the connection ended; what was not taken: ${JSON.stringify(received.toString("utf8", taken))}`,
    );
  };
  const line = async (): Promise<string> => {
    for (;;) {
      const end = received.indexOf("\n", taken);
      if (end >= 0) {
        const text = received.toString("utf8", taken, end);
        taken = end + 1;
        return text;
      }
      await Promise.race([once(socket, "data"), endedTooSoon()]);
    }
  };
  return {
    socket,
    write: (data) => void socket.write(data),
    end: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    line,
    command(text) {
      socket.write(`${text}\n`);
      return line();
    },
    async rest() {
      await ended;
      const text = received.subarray(taken);
      taken = received.length;
      return text;
    },
    async [Symbol.asyncDispose]() {
      if (socket.closed) return;
      socket.destroy();
      await once(socket, "close");
    },
  };
}
