/**
 * The one way in which a service starts its handlers, whatever their handoff: what the machine has is looked up once,
 * laid out as a plan, and each start then costs a spawn and nothing else.
 */
import type { ServiceConfig } from "../config/config.ts";
import type { LaunchRequest, Opening, Start } from "../handoff/handoff.ts";
import { restoreConnection } from "../handoff/saved.ts";
import { cleanText } from "../log/clean.ts";
import type { Carry, Saved } from "../native/carry.ts";
import { type Fd, isSystemError, type PreparedPlan, type SocketAddress } from "../native/sys.ts";
import type { OnEnd } from "../net/ends.ts";
import type { BoundListener } from "../net/listen.ts";
import type { SpawnFailure } from "../process/child.ts";
import { type Facts, lookUp, type MachineProblem } from "../process/machine.ts";
import { planHandler } from "../process/plan.ts";
import type { ProbeTarget } from "../process/probe.ts";
import type { HandlerStart, Started } from "../process/processes.ts";
import { type Readiness, resumeReadiness, watchReadiness } from "../process/readiness.ts";
import { ensureRuntimeDirectories, removeRuntimeDirectories } from "../process/runtime-directory.ts";
import { openStderr, type SavedStderrPipe, StderrPipe, type StderrTarget } from "../process/stderr.ts";
import { err, ok, type Result } from "../util/result.ts";
import { Handler, type HandlerEvents, type SavedHandler } from "./handler.ts";
import type { World } from "./world.ts";

interface Prepared {
  plan: PreparedPlan;
  facts: Facts;
  chosen: ReadonlySet<string>;
  stderr: StderrTarget;
}

/** A start before it is known whether it succeeds. */
interface Draft {
  connection: Opening | null;
  pipe: [Fd, Fd] | null;
  readiness: Readiness;
  handler: Handler | null;
  start: HandlerStart;
}

export class Launcher {
  readonly #world: World;
  readonly #owner: { readonly config: ServiceConfig };
  readonly #listeners: () => readonly BoundListener[];
  /** With the pid of the handler that each was made for. */
  readonly #pipes: Map<StderrPipe, number>;
  #prepared: Prepared | null = null;
  readonly #madeDirectories: string[];

  /**
   * @param listeners those that are bound at the moment
   * @param previous starts no more; what it has made for the service is the new one's to remove
   */
  constructor(
    world: World,
    owner: { readonly config: ServiceConfig },
    listeners: () => readonly BoundListener[],
    previous: Launcher | null,
  ) {
    this.#world = world;
    this.#owner = owner;
    this.#listeners = listeners;
    this.#pipes = previous === null ? new Map() : previous.#pipes;
    this.#madeDirectories = previous === null ? [] : previous.#madeDirectories;
  }

  /** Keys that concern no start may change while it lives, so it is asked for when it counts. */
  get #service(): ServiceConfig {
    return this.#owner.config;
  }

  /** Looks up what the service needs. May be called again: what was found before is replaced. */
  prepare(): Result<null, MachineProblem[]> {
    this.#release();
    const { sys, host, limits, nothing } = this.#world;
    const facts = lookUp(this.#service, sys, host);
    if (!facts.ok) return facts;
    const problem = this.#makeDirectories(facts.value);
    if (problem !== null) return err([problem]);
    const stderr = openStderr(this.#service.stderr, nothing);
    if (!stderr.ok) return err([{ key: "stderr", message: stderr.error, hint: null }]);
    // The daemon's own stderr may be shared with a program that made it non-blocking; handlers expect it blocking.
    if (stderr.value.kind === "shared") sys.setBlocking(stderr.value.fd, true);
    const { spawn, chosen } = planHandler(this.#service, facts.value, limits);
    this.#prepared = { plan: sys.prepare(spawn), facts: facts.value, chosen, stderr: stderr.value };
    return ok(null);
  }

  /**
   * Starts handlers, all at once; `begin` is the caller's to call.
   * @returns in the order of `requests`, each on its own
   */
  start(requests: readonly LaunchRequest[], events: HandlerEvents): Result<Handler, SpawnFailure>[] {
    // After an upgrade nobody has prepared those that were replaced before it.
    if (this.#prepared === null) this.prepare();
    const prepared = this.#prepared;
    if (prepared === null) return requests.map(() => err({ stage: "exec", code: "ENOENT" }));
    if (this.#service.runtimeDirectory.length > 0) this.#makeDirectories(prepared.facts);
    const drafts = requests.map((request) => this.#draft(prepared, request));
    const starts = drafts.flatMap((draft) => (draft.ok ? [draft.value.start] : []));
    const started = starts.length > 0 ? this.#world.processes.start(this.#service, starts) : [];
    return drafts.map((draft) => {
      const outcome = draft.ok ? started.shift() : draft;
      if (!draft.ok || outcome === undefined)
        return draft.ok ? err({ stage: "clone", code: "EINVAL" }) : draft;
      return this.#finish(draft.value, outcome as Result<Started, SpawnFailure>, events);
    });
  }

  /** All that a start needs, with what it opens for it. */
  #draft(prepared: Prepared, { arrange, connection }: LaunchRequest): Result<Draft, SpawnFailure> {
    const pipe = this.#openPipe(prepared.stderr);
    if (!pipe.ok) return pipe;
    const arranged = arrange({
      nothing: this.#world.nothing,
      stderr: stderrOf(prepared.stderr, pipe.value),
      chosen: prepared.chosen,
    });
    const readiness = this.#openReadiness(arranged);
    if (!readiness.ok) {
      for (const fd of pipe.value ?? []) this.#world.sys.close(fd);
      return readiness;
    }
    const draft: Draft = {
      connection,
      pipe: pipe.value,
      readiness: readiness.value,
      handler: null,
      start: {
        plan: prepared.plan,
        ...withReadiness(arranged, readiness.value, this.#notifyVariables()),
        connection: connection?.id ?? null,
        onEnd: (exit) => draft.handler?.ended(exit),
      },
    };
    return ok(draft);
  }

  #finish(
    draft: Draft,
    started: Result<Started, SpawnFailure>,
    events: HandlerEvents,
  ): Result<Handler, SpawnFailure> {
    const { pipe, readiness, connection } = draft;
    if (pipe !== null) this.#attach(pipe, started, (line) => draft.handler?.wrote(line));
    if (!started.ok) {
      readiness.close();
      return started;
    }
    const remembered = connection === null ? null : connection.remember();
    draft.handler = new Handler(this.#world, this.#owner, started.value, remembered, readiness, events);
    return ok(draft.handler);
  }

  /** A worker that is to notify learns where; the pid in WATCHDOG_PID is filled in by the spawn. */
  #notifyVariables(): string[] {
    const { ready, watchdog } = this.#service;
    if (ready !== "notify" && watchdog === null) return [];
    const variables = [`NOTIFY_SOCKET=${this.#world.notifications.address}`];
    if (watchdog !== null) variables.push(`WATCHDOG_USEC=${watchdog * 1000}`, "WATCHDOG_PID=");
    return variables;
  }

  #openPipe(stderr: StderrTarget): Result<[Fd, Fd] | null, SpawnFailure> {
    return stderr.kind === "pipe" ? opened(() => this.#world.sys.pipe()) : ok(null);
  }

  #openReadiness({ descriptors }: Start): Result<Readiness, SpawnFailure> {
    const { sys, clock } = this.#world;
    const { upstream } = this.#service;
    const world = { sys, clock, target: probeTarget(this.#service, this.#listeners()), upstream };
    return opened(() => watchReadiness(this.#service.ready, world, descriptors.length));
  }

  /**
   * Gives back what the service held, and ends what handlers that are gone have left. Pipes of handlers that run on are
   * read until they end.
   */
  close(): void {
    this.#world.processes.stopLeftovers(this.#service.name);
    this.#release();
    removeRuntimeDirectories(this.#madeDirectories.splice(0));
  }

  /** Another starts the handlers of the service from now on. */
  retire(): void {
    this.#release();
  }

  /** Takes what stands in the pipes now and closes them, whoever may still hold their other ends. */
  finish(): void {
    for (const pipe of this.#pipes.keys()) pipe.finish();
    this.#pipes.clear();
  }

  #release(): void {
    const stderr = this.#prepared?.stderr;
    if (stderr?.kind === "shared" && stderr.owned) this.#world.sys.close(stderr.fd);
    this.#prepared = null;
  }

  #makeDirectories(facts: Facts): MachineProblem | null {
    const owner = facts.credentials;
    const { made, problem } = ensureRuntimeDirectories(this.#service.runtimeDirectory, owner);
    this.#madeDirectories.push(...made);
    return problem === null ? null : { key: "runtime_directory", message: problem, hint: null };
  }

  /** The handler has its own copy of the write end; ours would keep the pipe from ending. */
  #attach(
    [reader, writer]: [Fd, Fd],
    started: Result<Started, SpawnFailure>,
    onLine: (line: string) => void,
  ): void {
    const { sys, clock } = this.#world;
    sys.close(writer);
    if (!started.ok) {
      sys.close(reader);
      return;
    }
    const { pid } = started.value;
    this.#readLines(pid, onLine, (onText, onEnd) => new StderrPipe(sys, clock, reader, onText, onEnd));
  }

  /** Logs what comes through a pipe. */
  #readLines(
    pid: number,
    onLine: (line: string) => void,
    open: (onText: (line: string, dropped: number) => void, onEnd: () => void) => StderrPipe,
  ): void {
    const { emit } = this.#world;
    const pipe = open(
      (line, dropped) => {
        const text = cleanText(line, line.length);
        if (dropped === 0) onLine(text);
        emit({
          event: "handler.stderr",
          service: this.#service.name,
          pid,
          text,
          ...(dropped > 0 ? { dropped } : {}),
        });
      },
      () => this.#pipes.delete(pipe),
    );
    this.#pipes.set(pipe, pid);
  }

  // -- in place of another process (an upgrade) ----------------------------------------------------------------------

  /** What is the service's, whichever of its generations has made it. */
  save(carry: Carry): SavedLauncher {
    return {
      madeDirectories: [...this.#madeDirectories],
      pipes: [...this.#pipes].map(([pipe, pid]) => ({ pid, pipe: pipe.save(carry) })),
    };
  }

  /** @param handlerOf the handler of that pid, if it is still there */
  restore(
    { madeDirectories, pipes }: SavedLauncher,
    claim: Carry,
    handlerOf: (pid: number) => Handler | undefined,
  ): void {
    const { sys, clock } = this.#world;
    this.#madeDirectories.push(...madeDirectories);
    for (const { pid, pipe } of pipes) {
      this.#readLines(
        pid,
        (line) => handlerOf(pid)?.wrote(line),
        (onText, onEnd) => new StderrPipe(sys, clock, claim(pipe.fd), onText, onEnd, pipe),
      );
    }
  }

  /** A handler that another process has started. */
  adopt(saved: SavedHandler, claim: Carry, events: HandlerEvents): Handler {
    const { sys, clock, ends, processes } = this.#world;
    const target = probeTarget(this.#service, this.#listeners());
    const world = { sys, clock, target, upstream: this.#service.upstream };
    const readiness = resumeReadiness(this.#service.ready, world, saved.readiness, claim);
    const started = processes.adopt(this.#service, saved.process, claim, (exit) => handler.ended(exit));
    const host = { resumeEnd: (end: Saved, onEnd: OnEnd) => ends.resume(end, onEnd) };
    const connection = saved.connection === null ? null : restoreConnection(saved.connection, host, () => {});
    const handler: Handler = new Handler(this.#world, this.#owner, started, connection, readiness, events);
    handler.resume(saved);
    return handler;
  }
}

export interface SavedLauncher {
  madeDirectories: string[];
  pipes: { pid: number; pipe: SavedStderrPipe }[];
}

function stderrOf(target: StderrTarget, pipe: [Fd, Fd] | null): Fd | "connection" {
  switch (target.kind) {
    case "connection":
      return "connection";
    case "shared":
      return target.fd;
    case "pipe":
      if (pipe === null) throw new Error("a pipe was not made");
      return pipe[1];
  }
}

/** Making what a start needs may fail for want of descriptors: then the start has failed, and nothing is left open. */
function opened<T>(open: () => T): Result<T, SpawnFailure> {
  try {
    return ok(open());
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return err({ stage: "descriptors", code: error.code });
  }
}

function withReadiness(start: Start, readiness: Readiness, notify: readonly string[]): Start {
  const { descriptor } = readiness;
  const further = [...readiness.variables, ...notify];
  return {
    descriptors: descriptor === null ? start.descriptors : [...start.descriptors, descriptor],
    variables: further.length === 0 ? start.variables : [...start.variables, ...further],
  };
}

/** Where a worker is asked whether it is ready: at its own address behind `proxy`, else at the first listener. */
function probeTarget(
  { upstream }: Pick<ServiceConfig, "upstream">,
  [first]: readonly BoundListener[],
): ProbeTarget | null {
  if (upstream?.kind === "tcp" && typeof upstream.port === "number") {
    return { host: upstream.host ?? "localhost", port: upstream.port };
  }
  if (upstream?.kind === "unix") return { path: pathname(upstream.path) };
  if (upstream !== null || first === undefined) return null;
  const { kind, address } = first;
  if (address.family !== "unix") return kind === "tcp" ? { host: hostOf(address), port: address.port } : null;
  return kind === "unix" && address.path !== null ? { path: pathname(address.path) } : null;
}

/** Of a socket that is bound to all addresses, the one that is there on every machine. */
function hostOf(address: Exclude<SocketAddress, { family: "unix" }>): string {
  if (address.address === "0.0.0.0") return "127.0.0.1";
  if (address.address === "::") return "::1";
  return address.family === "inet6" && address.scope > 0
    ? `${address.address}%${address.scope}`
    : address.address;
}

/** An abstract name as the kernel has it. */
function pathname(path: string): string {
  return path.replace(/^@/, "\0");
}
