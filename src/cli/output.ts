/** Standard output and error as commands write to them: a reader that goes away is no bug of ours. */
import { exitCode } from "./command.ts";

/**
 * The stream, with its failures dealt with: what nobody reads any more (`| head`) is dropped, and where a write is not
 * possible (a full disk) the command fails with one line.
 */
export function guarded<S extends NodeJS.WriteStream>(stream: S): S {
  if (stream.listenerCount("error") === 0) stream.on("error", (error) => fail(error));
  return stream;
}

function fail({ code, message }: NodeJS.ErrnoException): void {
  if (code === "EPIPE") return;
  process.stderr.write(`tinetd: cannot write: ${code ?? message}\n`);
  process.exit(exitCode.failed);
}
