/** `pass` at work with real clients and channels, over upgrades; the worker's end of a channel is in the test's hands. */
import { expect } from "vitest";
import type { ServiceConfig } from "../../../src/config/config.ts";
import type {
  Connection,
  HandlerRef,
  Handoff,
  HandoffHost,
  Incoming,
  LaunchRequest,
  RestoredHandler,
} from "../../../src/handoff/handoff.ts";
import { createPass, type SavedPass } from "../../../src/handoff/pass.ts";
import { type Fd, READABLE } from "../../../src/native/sys.ts";
import type { OnEnd, WatchedEnd } from "../../../src/net/ends.ts";
import type { BoundListener } from "../../../src/net/listen.ts";
import { nullDevice, ready, sys } from "../../native/support.ts";
import { manualClock } from "../../unit/util/manual-clock.ts";
import { open, port, tcp } from "../net/support.ts";
import { type Client, connect } from "../rig/client.ts";
import { eventually } from "../rig/proc.ts";
import { Image } from "./image.ts";

/** A worker, as its service and as its program see it. */
export class TestWorker implements RestoredHandler {
  readonly pid: number;
  readonly connection = null;
  readonly log: string[];
  readonly channel: Fd;
  wasReady = false;
  isStopping = false;
  settle: (frozen: boolean) => void = () => {};

  constructor(pid: number, channel: Fd, log: string[]) {
    this.pid = pid;
    this.channel = channel;
    this.log = log;
  }

  worked(): void {}
  rested(): void {}
  saysReady(): void {}

  stop(reason: string): void {
    this.isStopping = true;
    this.log.push(`${this.pid} stop: ${reason}`);
  }

  freeze(onSettled: (frozen: boolean) => void): void {
    this.log.push(`${this.pid} freeze`);
    this.settle = onSettled;
  }

  thaw(): void {
    this.log.push(`${this.pid} thaw`);
  }

  says(text: string): void {
    sys.write(this.channel, Buffer.from(text));
  }

  /** Receives the next connection. @returns its id and its descriptor, which is the caller's */
  async receive(): Promise<{ id: number; fd: Fd }> {
    await ready(this.channel);
    const buffer = Buffer.alloc(4096);
    const message = sys.receiveMessage(this.channel, buffer);
    const [fd] = message?.fds ?? [];
    if (fd === undefined) throw new Error("the end of the channel, and no connection");
    const { id } = JSON.parse(buffer.toString("utf8", 0, message?.length)) as { id: number };
    return { id, fd };
  }

  /** Receives the next one, and closes it at once, so that its client reads the end. @returns its id */
  async serve(): Promise<number> {
    const { id, fd } = await this.receive();
    sys.close(fd);
    return id;
  }

  /** Whether it was told to finish what it has. */
  get isEnded(): boolean {
    return (sys.poll(this.channel) & READABLE) !== 0;
  }
}

type Keys = Partial<Omit<ServiceConfig, "workers">> & { workers?: Partial<ServiceConfig["workers"]> };

export async function passRig({ workers: some = {}, ...keys }: Keys = {}) {
  const [listener] = await open(tcp());
  const time = manualClock();
  const log: string[] = [];
  const workers: TestWorker[] = [];
  const clients: Client[] = [];
  const ends = new Map<number, OnEnd>();
  const state = { mayStart: true, mayGoOn: true, isStopped: false, listeners: [listener] as BoundListener[] };
  let connections = 0;
  let lastPid = 100;
  let config = {
    name: "it",
    protocol: "seqpacket",
    wakeOn: "connect",
    firstByteTimeout: null,
    onLimit: "queue",
    idleTimeout: null,
    onIdle: "stop",
    maxFrozen: null,
    restart: "on-failure",
    ...keys,
    workers: { min: 0, max: 1, connections: null, maxServed: null, ...some },
  };
  const watched = (n: number, onEnd: OnEnd): WatchedEnd => {
    ends.set(n, onEnd);
    return { forget: () => {}, isOver: () => false, settle: () => {}, save: () => n };
  };
  const hostOf = (image: Image) => ({
    get config() {
      return config;
    },
    sys: image.sys,
    clock: time.clock,
    mayGoOn: () => state.mayGoOn && !state.isStopped,
    mayStart: () => state.mayStart && !state.isStopped,
    isStopped: () => state.isStopped,
    admit: () => null,
    room: () => Number.POSITIVE_INFINITY,
    keep: () => log.push("keep"),
    release: (then: () => void) => {
      log.push("release");
      then();
    },
    nextConnection: () => ++connections,
    launch([request]: [LaunchRequest]) {
      const standard = { nothing: nullDevice, stderr: nullDevice, chosen: new Set<string>() };
      const channel = request.arrange(standard).descriptors[3] ?? -1;
      const worker = new TestWorker(++lastPid, sys.dup(channel), log);
      workers.push(worker);
      log.push(`${worker.pid} start`);
      return [{ ok: true, value: worker }];
    },
    opened: ({ id }: Connection) => log.push(`opened ${id}`),
    closed: ({ id }: Connection, worker: HandlerRef | null, _bytes: null, error?: string) =>
      log.push(`closed ${id} of ${worker?.pid ?? "nobody"}${error === undefined ? "" : `: ${error}`}`),
    watchEnd: ({ id }: Incoming, onEnd: OnEnd) => watched(id, onEnd),
    resumeEnd: (saved: number, onEnd: OnEnd) => watched(saved, onEnd),
    listeners: () => state.listeners,
    rewatch: () => {},
    ended: (failure: string | null) => log.push(`ended: ${failure ?? "well"}`),
  });
  const createOne = () => {
    const image = new Image();
    return { image, handoff: createPass(hostOf(image) as unknown as HandoffHost) };
  };
  let present = createOne();
  const handoff = (): Handoff => present.handoff;

  return {
    /** Another configuration is in force from now on. */
    reconfigure({ workers = {}, ...changed }: Keys) {
      config = { ...config, ...changed, workers: { ...config.workers, ...workers } };
    },
    time,
    log,
    state,
    listener,
    workers,
    clients,
    handoff,
    /** What was done since the last time. */
    done: () => log.splice(0),
    worker(pid: number): TestWorker {
      const worker = workers.find((each) => each.pid === pid);
      if (worker === undefined) throw new Error(`worker ${pid} was not started`);
      return worker;
    },
    /** Somebody connects, and the listener is looked at. */
    async come(): Promise<Client> {
      const client = await connect(port(listener));
      clients.push(client);
      handoff().readable(listener);
      return client;
    },
    ready(worker: TestWorker) {
      worker.wasReady = true;
      handoff().ready(worker);
    },
    /** It has ended. */
    gone(worker: TestWorker, failed = false) {
      workers.splice(workers.indexOf(worker), 1);
      sys.close(worker.channel);
      handoff().gone(worker, failed);
    },
    /** Until so many are known to be with nobody but their workers. */
    received: (count: number) =>
      eventually(`${count} have been received`, () => {
        const { crew } = handoff().save((fd) => fd) as SavedPass;
        const open = crew.workers.flatMap((worker) => worker.open);
        return open.filter(({ incoming }) => incoming === null).length === count;
      }),
    /** The kernel has seen the end of a connection. */
    ends: (id: number) => ends.get(id)?.(null),
    told: (what: string) => eventually(`"${what}" is done`, () => log.includes(what)),
    /**
     * Saves, twice as it is done, and goes on with what another process makes of it. What was there before is thrown
     * away: of its descriptors the other one has others, and its timers and watches are not heard any more.
     */
    upgrade(meanwhile: () => void = () => {}) {
      const { image, handoff: before } = present;
      before.save((fd) => fd);
      const carried: Fd[] = [];
      const saved = before.save((fd) => {
        carried.push(fd);
        return sys.dup(fd);
      });
      expect(new Set(carried).size).toBe(carried.length);
      const text = JSON.stringify(saved);
      expect(JSON.parse(text)).toEqual(saved);
      for (const fd of carried) image.own(fd);
      image.end();
      time.forget();
      ends.clear();
      meanwhile();
      const doneBefore = [...log];
      present = createOne();
      const handlers = new Map(workers.map((worker) => [worker.pid, worker]));
      handoff().restore(JSON.parse(text), { claim: (fd) => fd, handlers, listeners: state.listeners });
      expect(log).toEqual(doneBefore);
    },
    /** The service is stopped. */
    stop() {
      state.isStopped = true;
      handoff().closing(listener);
    },
    async [Symbol.asyncDispose]() {
      this.stop();
      for (const worker of [...workers]) this.gone(worker);
      for (const client of clients) await client[Symbol.asyncDispose]();
    },
  };
}
