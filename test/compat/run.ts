/** Runs the clients of the distribution: ssh, rsync, git, curl, ... */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { buffer } from "node:stream/consumers";

export interface Outcome {
  code: number | null;
  stdout: Buffer;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  environment?: Readonly<Record<string, string>>;
  /** As this account and no other group. */
  account?: { uid: number; gid: number };
}

/** A client that waits in vain is ended, so that its test fails before the runner's own time is up. */
const patienceMs = 60_000;

/** Runs a program to its end, whatever its exit status, with nothing to read. */
export async function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: patienceMs,
    env: { PATH: process.env.PATH, LANG: "C.UTF-8", ...options.environment },
    ...options.account,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const [stdout, stderr, [code]] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
    once(child, "exit") as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr: stderr.toString() };
}

/**
 * The same for a program that must succeed.
 * @returns what it wrote to stdout
 * @throws if its exit status is not 0; the message has what it wrote to stderr
 */
export async function succeed(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Buffer> {
  const { code, stdout, stderr } = await run(file, args, options);
  if (code !== 0) throw new Error(`${file} ${args.join(" ")}: exit status ${code}\n${stderr}`);
  return stdout;
}
