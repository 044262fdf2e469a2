/**
 * Connecting to the daemon behind `proxy`. One that is ready takes a connection at once; all the same it is tried for a
 * while, since a daemon may be ready in its own eyes a moment before it listens, or open its socket anew.
 */

import { type Fd, isSystemError } from "../native/sys.ts";
import type { Endpoint } from "../net/address.ts";
import { clearPath, type NodeSys } from "../net/node.ts";
import { Target, type TargetWorld } from "../net/target.ts";
import type { Timer } from "../util/clock.ts";
import { err, type Result } from "../util/result.ts";

/** For all tries of one connection. */
export const patienceMs = 5_000;
/** Between two tries, longer each time. */
const shortestPauseMs = 10;
const longestPauseMs = 250;

export interface Upstream {
  /**
   * A daemon is about to be started. Its address may have changed, if it is a name, and the node of a Unix socket may
   * stand in its way, left by one that was killed: not every daemon removes that by itself.
   */
  prepare(): void;
  /**
   * @param done gets the connected descriptor, which is then the caller's, or why there is none; may be called before
   *   this returns
   * @returns gives up: `done` is not called any more
   */
  connect(done: (outcome: Result<Fd, string>) => void): () => void;
}

export function createUpstream(world: TargetWorld & { sys: NodeSys }, endpoint: Endpoint): Upstream {
  const { clock } = world;
  const target = new Target(world, endpoint);
  return {
    prepare() {
      target.refresh();
      if (endpoint.kind === "unix" && !endpoint.path.startsWith("@")) removeStale(world.sys, endpoint.path);
    },
    connect(done) {
      const until = clock.now() + patienceMs;
      let pauseMs = shortestPauseMs;
      let pause: Timer | null = null;
      let giveUp: () => void = () => {};
      const attempt = () => {
        giveUp = target.connect(until - clock.now(), (outcome) => {
          if (outcome.ok) done(outcome);
          else if (clock.now() + pauseMs >= until) done(err(outcome.error));
          else {
            pause = clock.after(pauseMs, attempt);
            pauseMs = Math.min(longestPauseMs, pauseMs * 2);
          }
        });
      };
      attempt();
      return () => {
        pause?.cancel();
        giveUp();
      };
    },
  };
}

/** What is no stale node, or cannot be removed, is left to the daemon to complain of. */
function removeStale(sys: NodeSys, path: string): void {
  try {
    clearPath(sys, "unix", path);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}
