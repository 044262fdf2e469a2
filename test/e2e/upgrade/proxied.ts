/** `proxy` in the process of the test, with real connections: its service, its daemon and its clients are the test's. */
import { expect } from "vitest";
import type { ServiceConfig } from "../../../src/config/config.ts";
import type {
  Connection,
  Handoff,
  HandoffHost,
  Incoming,
  RestoredHandler,
} from "../../../src/handoff/handoff.ts";
import { createProxy } from "../../../src/handoff/proxy.ts";
import type { Fd, SocketAddress } from "../../../src/native/sys.ts";
import type { Bytes } from "../../../src/net/ends.ts";
import type { BoundListener } from "../../../src/net/listen.ts";
import { ok } from "../../../src/util/result.ts";
import { Peer } from "../../native/peer.ts";
import { closeAll, listenStream, sys } from "../../native/support.ts";
import { manualClock } from "../../unit/util/manual-clock.ts";
import { accept } from "../net/support.ts";
import { eventually } from "../rig/proc.ts";
import { Image } from "./image.ts";

/** How a connection ended; `pid` is the worker's. */
export interface Ended {
  id: number;
  pid: number | null;
  bytes: Bytes;
  error: string | undefined;
}

export class FakeWorker implements RestoredHandler {
  readonly pid: number;
  readonly connection = null;
  wasReady = false;
  isStopping = false;
  /** What was done to it. */
  readonly log: string[] = [];

  constructor(pid: number) {
    this.pid = pid;
  }

  worked(): void {}
  rested(): void {}
  saysReady(): void {}
  stop(reason: string): void {
    this.isStopping = true;
    this.log.push(`stop: ${reason}`);
  }
  freeze(onSettled: (frozen: boolean) => void): void {
    this.log.push("freeze");
    onSettled(true);
  }
  thaw(): void {
    this.log.push("thaw");
  }
}

export interface Circumstances {
  /** Where its clients come to. */
  listener: BoundListener;
  /** A path at which the daemon listens. */
  upstream: string;
  config?: Partial<ServiceConfig>;
}

export class Proxied implements Disposable {
  readonly time = manualClock();
  readonly ended: Ended[] = [];
  readonly refused: { id: number; reason: string }[] = [];
  readonly workers: FakeWorker[] = [];
  readonly config: Partial<ServiceConfig>;
  readonly #circumstances: Circumstances;
  readonly #address: SocketAddress;
  readonly #peers: Peer[] = [];
  #upstream: Fd | null = null;
  #image = new Image();
  #handoff: Handoff;
  #ids = 0;
  isStopped = false;
  mayStart = true;
  kept = 0;

  constructor(circumstances: Circumstances) {
    const { upstream, config } = circumstances;
    this.#circumstances = circumstances;
    this.#address = { family: "unix", path: upstream };
    this.config = {
      name: "it",
      upstream: { kind: "unix", path: upstream },
      upstreamProxyProtocol: null,
      startTimeout: 60_000,
      stopTimeout: 10_000,
      idleTimeout: null,
      onIdle: "stop",
      maxFrozen: null,
      restart: "on-failure",
      killMode: "group",
      onLimit: "queue",
      wakeOn: "connect",
      firstByteTimeout: null,
      workers: { min: 0, max: 1 } as ServiceConfig["workers"],
      ...config,
    };
    this.#handoff = createProxy(this.#host(this.#image));
  }

  get handoff(): Handoff {
    return this.#handoff;
  }

  get worker(): FakeWorker {
    const worker = this.workers.at(-1);
    if (worker === undefined) throw new Error("no worker was started");
    return worker;
  }

  /** The daemon listens from now on. */
  listen(): void {
    this.#upstream ??= listenStream(this.#address).fd;
  }

  /** It is ready. */
  begin(): void {
    this.listen();
    this.worker.wasReady = true;
    this.#handoff.ready(this.worker);
  }

  /** It has gone, and takes nobody along. */
  gone(): void {
    this.#handoff.gone(this.worker, false);
  }

  /** Somebody comes. */
  async come(): Promise<Peer> {
    const { listener } = this.#circumstances;
    const client = sys.socket(listener.address.family, "stream");
    const peer = this.#peer(client);
    sys.connect(client, listener.address);
    const { fd, peer: remote } = await accept(listener.fd);
    const local = sys.getsockname(fd);
    const credentials = remote.family === "unix" ? sys.peerCredentials(fd) : null;
    this.#ids += 1;
    const acceptedAt = this.time.clock.now();
    this.#image.own(fd);
    this.#handoff.receive([{ fd, listener, remote, local, credentials, id: this.#ids, acceptedAt }]);
    return peer;
  }

  /** The daemon's end of the next connection. */
  async accept(): Promise<Peer> {
    if (this.#upstream === null) throw new Error("the daemon does not listen");
    return this.#peer((await accept(this.#upstream)).fd);
  }

  /** Somebody who comes while the daemon is ready, and the daemon's end of his connection. */
  async pair(): Promise<{ client: Peer; daemon: Peer }> {
    const client = await this.come();
    if (this.workers.length === 0 || !this.worker.wasReady) this.begin();
    return { client, daemon: await this.accept() };
  }

  /** When so many have ended, the last of them. */
  async end(count = 1): Promise<Ended> {
    await eventually(`${count} connections have ended`, () => this.ended.length >= count);
    const last = this.ended[count - 1];
    if (last === undefined) throw new Error("it has not ended");
    return last;
  }

  /** By connection, who has it. */
  known(): [number, number | null][] {
    return [...this.#handoff.connections()].map(([{ id }, by]) => [id, by?.pid ?? null]);
  }

  /**
   * Goes on with what another process makes of what this one saves; it is saved twice, as it is done.
   * @param handlers who is there then
   * @param tookMs until the other one goes on
   * @returns what was saved
   */
  upgrade(handlers: readonly FakeWorker[] = this.workers.slice(-1), tookMs = 0): string {
    const trial = JSON.stringify(this.#handoff.save((fd) => fd));
    expect(lasting(JSON.stringify(this.#handoff.save((fd) => fd)))).toBe(lasting(trial));
    const next = new Image();
    const carried = new Set<Fd>();
    const saved = this.#handoff.save((fd) => {
      const copy = next.own(sys.dup(fd));
      carried.add(copy);
      return copy;
    });
    const text = JSON.stringify(saved);
    expect(JSON.parse(text)).toEqual(saved);
    const before = this.#done();
    this.#image.end();
    this.time.forget();
    this.time.pass(tookMs);
    this.#image = next;
    this.#handoff = createProxy(this.#host(next));
    this.#handoff.restore(JSON.parse(text), {
      claim: (fd) => {
        if (!carried.delete(fd)) throw new Error(`${fd} was not carried, or is claimed twice`);
        return fd;
      },
      handlers: new Map(handlers.map((handler) => [handler.pid, handler])),
      listeners: [this.#circumstances.listener],
    });
    expect(carried.size).toBe(0);
    // Nobody is told of anything, and nothing is lost on the way.
    expect(this.#done()).toBe(before);
    expect(lasting(JSON.stringify(this.#handoff.save((fd) => fd)))).toBe(lasting(text));
    return text;
  }

  [Symbol.dispose](): void {
    this.#image.end();
    for (const peer of this.#peers) peer.close();
    if (this.#upstream !== null) closeAll(this.#upstream);
  }

  #done(): string {
    const { ended, refused, workers, kept } = this;
    return JSON.stringify([ended, refused, kept, workers.map(({ log }) => log)]);
  }

  #peer(fd: Fd): Peer {
    const peer = new Peer(fd);
    this.#peers.push(peer);
    return peer;
  }

  /** Of the service, as long as `image` is the one that runs. */
  #host(image: Image): HandoffHost {
    const service = this;
    const only = <Args extends unknown[], T>(action: (...args: Args) => T) => {
      return (...args: Args): T => {
        if (image !== this.#image) throw new Error("a process that has gone goes on");
        return action(...args);
      };
    };
    const host: Partial<HandoffHost> = {
      get config() {
        return service.config as ServiceConfig;
      },
      sys: image.sys,
      clock: this.time.clock,
      mayGoOn: () => this.mayStart,
      mayStart: () => this.mayStart,
      isStopped: () => this.isStopped,
      listeners: () => [this.#circumstances.listener],
      rewatch: () => {},
      lend: (action) => action(),
      shortage: () => {},
      launch: only(() => {
        const worker = new FakeWorker(2 ** 22 + this.workers.length + 1);
        this.workers.push(worker);
        return [ok(worker)];
      }),
      opened: only(() => {}),
      keep: only(() => void this.kept++),
      release: only((then: () => void) => {
        this.kept--;
        then();
      }),
      refuse: only(({ fd, id }: Incoming, reason: string) => {
        image.sys.close(fd);
        this.refused.push({ id, reason });
      }),
      closed: only(({ id }: Connection, by: { pid: number } | null, bytes: Bytes, error?: string) => {
        this.ended.push({ id, pid: by?.pid ?? null, bytes, error });
      }),
      dismiss: only(({ id }: Connection, fd: Fd, reason: string) => {
        image.sys.close(fd);
        this.refused.push({ id, reason });
      }),
      ended: only(() => {}),
    };
    return host as HandoffHost;
  }
}

/** What is the same each time: not the file of what is unsent, nor the fraction at which the last byte has moved. */
function lasting(text: string): string {
  return text.replaceAll(/"activeAt":[^,}]*/g, "").replace(/"unsent":\d+,"open"/, "");
}
