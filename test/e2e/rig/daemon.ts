/**
 * Starts the rig of the end-to-end tests: the built daemon as a process, on a configuration of the test's own, in a directory of
 * its own. A test waits for the daemon's events; when it fails, they are printed.
 *
 *     await using rig = await startDaemon(`[services.echo]
 *     listen  = "127.0.0.1:0"
 *     command = "cat"`);
 *     expect(await ask(await rig.port("echo"), "hello")).toBe("hello");
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { expect, onTestFailed } from "vitest";
import { type EventLog, followEvents } from "./event-log.ts";
import { type FixtureName, installFixture, repository } from "./fixtures.ts";
import { createRig, type Exit, type Rig } from "./rig.ts";

/** What a configuration can be written from. */
export interface Place {
  /** The rig's own directory: the daemon's files are in it, every user may enter it. */
  directory: string;
  /** Copies a fixture into the directory and returns its path. */
  fixture(name: FixtureName): string;
}

export interface RigOptions {
  /** Further arguments of `tinetd run`. */
  args?: readonly string[];
  /** Variables added to the daemon's environment. */
  environment?: Readonly<Record<string, string>>;
  /** A command in front of the daemon's: what starts it, such as a dirty parent. */
  launcher?: readonly string[];
  /**
   * As root, services run as this user unless they or a [defaults] table in the text say something else.
   * Default: nobody.
   */
  user?: string;
  /** Another installation's program. */
  main?: string;
}

const readyFd = 3;

/**
 * Starts `dist/main.js` and waits until it is ready.
 * @throws if it ends before; the message has what it said
 */
export async function startDaemon(
  text: string | ((place: Place) => string),
  options: RigOptions = {},
): Promise<Rig> {
  const directory = mkdtempSync(join(tmpdir(), "tinetd-test-"));
  chmodSync(directory, 0o755);
  const configPath = join(directory, "inetd.toml");
  const place: Place = { directory, fixture: (name) => installFixture(name, directory) };
  writeFileSync(configPath, withUser(typeof text === "string" ? text : text(place), options.user), {
    mode: 0o600,
  });

  const [file = process.execPath, ...args] = [
    ...(options.launcher ?? []),
    process.execPath,
    ...command(configPath, options.main),
  ];
  const child = spawn(file, [...args, ...(options.args ?? [])], {
    cwd: directory,
    env: { PATH: process.env.PATH, ...options.environment, RUNTIME_DIRECTORY: directory },
    stdio: ["ignore", "inherit", "pipe", "pipe"],
  });
  const log = followEvents(streamOf(child, 2));
  const exited = exitOf(child, log);
  printOnFailure(() => log.transcript());
  const rig = createRig(child, directory, configPath, log, exited);
  try {
    await Promise.race([
      whenReady(streamOf(child, readyFd)),
      exited.then(({ code, signal }) => {
        throw new Error(`the daemon ended (${code ?? signal}) before it was ready:\n${log.transcript()}`);
      }),
    ]);
  } catch (error) {
    await rig[Symbol.asyncDispose]();
    throw error;
  }
  return rig;
}

/** After its newline the daemon closes the descriptor: from then on it has no more of them than it needs. */
async function whenReady(stream: Readable): Promise<void> {
  await Promise.all([once(stream, "data"), once(stream, "end")]);
}

function command(configPath: string, main = join(repository, "dist", "main.js")): string[] {
  if (!existsSync(main)) throw new Error(`${main} is not there: npm run build`);
  return [main, "run", "--config", configPath, "--ready-fd", `${readyFd}`, "--log-format", "json"];
}

/** Adds the user that root must name. At the end, so that no line of the text moves. */
function withUser(text: string, user = "nobody"): string {
  if (process.getuid?.() !== 0 || /^\s*\[defaults\]/m.test(text)) return text;
  return `${text}\n[defaults]\nuser = "${user}"\n`;
}

function streamOf(child: ChildProcess, fd: number): Readable {
  const stream = child.stdio[fd];
  if (stream === null || stream === undefined || !("read" in stream))
    throw new Error(`no pipe on descriptor ${fd}`);
  return stream;
}

/** Once it has ended and all its events are there. */
async function exitOf(child: ChildProcess, log: EventLog): Promise<Exit> {
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  await log.drained();
  return { code, signal };
}

/** Within a test only: a hook has no result that could be known. */
function printOnFailure(transcript: () => string): void {
  if (expect.getState().currentTestName === undefined) return;
  onTestFailed(() => void process.stderr.write(`\nthe daemon's log:\n${transcript()}\n\n`));
}
