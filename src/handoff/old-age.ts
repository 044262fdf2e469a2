/**
 * `max_lifetime` of workers that accept by themselves: such a worker cannot be told to take nobody new, only to end; and
 * of the daemon behind `proxy`, beside which no other can run. So a moment is waited for in which nobody is connected, and the worker is taken away then as at idle: nobody is lost. A
 * service that never has such a moment is not waited for beyond `stop_timeout`; then the worker is told to stop, and
 * what becomes of its connections is up to it.
 */
import type { Timer } from "../util/clock.ts";
import type { HandlerRef, HandoffHost } from "./handoff.ts";

/** Between two looks whether anybody is connected. */
const lookEveryMs = 250;

/** The reason that is given for such a stop. */
export const tooOld = "max_lifetime";

/**
 * @param leave takes it away if nobody is connected at this moment; whether that was so
 * @returns gives up: it has gone otherwise
 */
export function awaitLeave(
  { clock, config }: Pick<HandoffHost, "clock" | "config">,
  worker: HandlerRef,
  leave: () => boolean,
): () => void {
  const until = clock.now() + (config.stopTimeout ?? Number.POSITIVE_INFINITY);
  let timer: Timer | null = null;

  function look(): void {
    timer = null;
    if (worker.isStopping || leave()) return;
    const leftMs = until - clock.now();
    if (leftMs <= 0) worker.stop(tooOld);
    else timer = clock.after(Math.min(lookEveryMs, leftMs), look);
  }

  look();
  return () => timer?.cancel();
}
