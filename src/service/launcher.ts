/**
 * The one way in which a service starts its handlers, whatever their handoff: what the machine has is looked up once,
 * laid out as a plan, and each start then costs a spawn and nothing else.
 */
import type { ServiceConfig } from "../config/config.ts";
import type { Arrange, Connection } from "../handoff/handoff.ts";
import { cleanText } from "../log/clean.ts";
import { type ChildExit, type Fd, isSystemError, type PreparedPlan } from "../native/sys.ts";
import { type Child, type SpawnFailure, startChild } from "../process/child.ts";
import { type Facts, lookUp, type MachineProblem } from "../process/machine.ts";
import { planHandler } from "../process/plan.ts";
import { ensureRuntimeDirectories, removeRuntimeDirectories } from "../process/runtime-directory.ts";
import { openStderr, StderrPipe, type StderrTarget } from "../process/stderr.ts";
import { err, ok, type Result } from "../util/result.ts";
import { Handler } from "./handler.ts";
import type { World } from "./world.ts";

interface Prepared {
  plan: PreparedPlan;
  facts: Facts;
  chosen: ReadonlySet<string>;
  stderr: StderrTarget;
}

export class Launcher {
  readonly #world: World;
  readonly #service: ServiceConfig;
  readonly #pipes = new Set<StderrPipe>();
  #prepared: Prepared | null = null;
  #madeDirectories: string[] = [];

  constructor(world: World, service: ServiceConfig) {
    this.#world = world;
    this.#service = service;
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
   * Starts a handler.
   * @param onGone when it has ended and nothing that `kill_mode` includes is left of it
   */
  start(
    arrange: Arrange,
    connection: Connection | null,
    onGone: (handler: Handler, exit: ChildExit) => void,
  ): Result<Handler, SpawnFailure> {
    const prepared = this.#prepared;
    if (prepared === null) throw new Error(`"${this.#service.name}" was not prepared`);
    const { sys } = this.#world;
    if (this.#service.runtimeDirectory.length > 0) this.#makeDirectories(prepared.facts);
    let pipe: [Fd, Fd] | null = null;
    try {
      if (prepared.stderr.kind === "pipe") pipe = sys.pipe();
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return err({ stage: "descriptors", code: error.code });
    }
    const { descriptors, variables } = arrange({
      nothing: this.#world.nothing,
      stderr: stderrOf(prepared.stderr, pipe),
      chosen: prepared.chosen,
    });
    let handler: Handler | null = null;
    const child = startChild(sys, prepared.plan, descriptors, variables, (exit) => handler?.ended(exit));
    if (pipe !== null) this.#attach(pipe, child);
    if (!child.ok) return child;
    handler = new Handler(this.#world, this.#service, child.value, connection, onGone);
    return ok(handler);
  }

  /** Gives back what the service held. Pipes of handlers that run on are read until they end. */
  close(): void {
    this.#release();
    removeRuntimeDirectories(this.#madeDirectories);
    this.#madeDirectories = [];
  }

  /** Takes what stands in the pipes now and closes them, whoever may still hold their other ends. */
  finish(): void {
    for (const pipe of this.#pipes) pipe.finish();
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
  #attach([reader, writer]: [Fd, Fd], child: Result<Child, SpawnFailure>): void {
    const { sys, clock, emit } = this.#world;
    sys.close(writer);
    if (!child.ok) {
      sys.close(reader);
      return;
    }
    const { pid } = child.value;
    const pipe = new StderrPipe(
      sys,
      clock,
      reader,
      (line, dropped) => {
        const text = cleanText(line, line.length);
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
    this.#pipes.add(pipe);
  }
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
