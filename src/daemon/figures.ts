/** What the daemon itself is measured by, read when somebody asks: nothing is sampled in between, nothing wakes up. */
import { readdirSync, statSync } from "node:fs";
import { performance } from "node:perf_hooks";
import type { DaemonFigures } from "../control/metrics.ts";
import type { Sys } from "../native/sys.ts";

type ProcessFigures = Omit<
  DaemonFigures,
  "version" | "generation" | "startedAtSeconds" | "connections" | "mostConnections" | "logLosses"
>;

/** What is the same for every process of Node. */
export function measureProcess(sys: Pick<Sys, "constants" | "getrlimit">): ProcessFigures {
  const { user, system } = process.cpuUsage();
  const { soft } = sys.getrlimit(sys.constants.RLIMIT_NOFILE ?? 7);
  return {
    runtime: process.versions.node,
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    descriptors: countDescriptors(),
    mostDescriptors: soft < 0 ? null : soft,
    // libuv's own accounts. A histogram of delays (monitorEventLoopDelay) would need a timer that never rests.
    loopBusySeconds: performance.eventLoopUtilization().active / 1000,
    loopTurns: performance.nodeTiming.uvMetricsInfo.loopCount,
  };
}

/** Linux 6.2 and later tell their number as the size of the folder, which is much faster where there are thousands. */
function countDescriptors(): number {
  const folder = "/proc/self/fd";
  const { size } = statSync(folder);
  // The list has the descriptor by which it is read.
  return size > 0 ? size : readdirSync(folder).length - 1;
}
