/** Events as server-sent events (HTML Living Standard, 9.2): the last ones, then each as it comes if it is followed. */
import type { ServerResponse } from "node:http";
import type { LoggedEvent } from "./messages.ts";
import type { Backend } from "./routes.ts";

/** A follower who does not keep up loses events, and is told how many; the daemon keeps no more than this for him. */
const mostWaitingBytes = 1024 * 1024;

const type = "text/event-stream";

export function isStream(response: ServerResponse): boolean {
  return response.getHeader("content-type") === type;
}

export function streamEvents(
  backend: Pick<Backend, "follow">,
  response: ServerResponse,
  { follow }: { follow: boolean },
): void {
  let missed = 0;
  response.setHeader("content-type", type).setHeader("cache-control", "no-store");
  const confess = () => {
    if (missed > 0) response.write(`event: missed\ndata: {"missed":${missed}}\n\n`);
    missed = 0;
  };
  const send = (event: LoggedEvent) => {
    if (response.writableLength > mostWaitingBytes) {
      missed += 1;
      return;
    }
    confess();
    response.write(`event: ${event.event}\ndata: ${JSON.stringify(event)}\n\n`);
  };
  const { last, stop } = backend.follow(send);
  // So that a client sees the answer's head also when nothing has happened yet.
  response.flushHeaders();
  for (const event of last) send(event);
  if (follow) {
    response.on("close", stop);
    return;
  }
  stop();
  confess();
  response.end();
}
