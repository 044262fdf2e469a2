/** Clients of UDP services: each a socket of its own, since a peer is an address and a port. */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { on, once } from "node:events";

export interface Answer {
  text: string;
  data: Buffer;
  /** Where it came from: `127.0.0.1`, `::1`. */
  from: string;
  port: number;
}

export interface Peer extends AsyncDisposable {
  readonly socket: Socket;
  /** As events name it: `udp://127.0.0.1:51324`. */
  readonly name: string;
  /** Resolves when the kernel has it; over loopback it is in the receiver's queue then, if that has room. */
  send(port: number, data: string | Uint8Array, host?: string): Promise<void>;
  /** The next datagram. Rejects after 20 seconds without one. */
  receive(): Promise<Answer>;
  /** The texts of the next `count`. */
  texts(count: number): Promise<string[]>;
  /** Sends, and waits for the next datagram. */
  ask(port: number, data: string | Uint8Array, host?: string): Promise<Answer>;
}

const patienceMs = 20_000;

/** A peer on loopback, with a receive buffer for bursts. */
export async function udpPeer(family: 4 | 6 = 4): Promise<Peer> {
  const local = family === 4 ? "127.0.0.1" : "::1";
  const socket = createSocket({ type: `udp${family}`, recvBufferSize: 1 << 20 });
  const gaveUp = new AbortController();
  const messages = on(socket, "message", { signal: gaveUp.signal }) as AsyncIterator<[Buffer, RemoteInfo]>;
  socket.bind(0, local);
  await once(socket, "listening");

  const send = (port: number, data: string | Uint8Array, host = local) =>
    new Promise<void>((resolve, reject) => {
      socket.send(data, port, host, (error) => (error === null ? resolve() : reject(error)));
    });
  const receive = async (): Promise<Answer> => {
    const timer = setTimeout(
      () => gaveUp.abort(new Error(`no datagram within ${patienceMs} ms`)),
      patienceMs,
    );
    const { value } = await messages.next();
    clearTimeout(timer);
    const [data, { address, port }] = value;
    return { data, text: data.toString(), from: address, port };
  };
  const { port } = socket.address();
  return {
    socket,
    name: family === 4 ? `udp://${local}:${port}` : `udp://[${local}]:${port}`,
    send,
    receive,
    async texts(count) {
      const texts: string[] = [];
      while (texts.length < count) texts.push((await receive()).text);
      return texts;
    },
    async ask(port, data, host) {
      await send(port, data, host);
      return receive();
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}

/** Many at once. */
export async function udpPeers(count: number): Promise<{ peers: Peer[] } & AsyncDisposable> {
  const peers = await Promise.all(Array.from({ length: count }, () => udpPeer()));
  return {
    peers,
    async [Symbol.asyncDispose]() {
      await Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]()));
    },
  };
}
