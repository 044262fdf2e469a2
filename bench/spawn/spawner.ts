/**
 * A process that starts handlers as the daemon does, with the daemon's own code, and nothing else; `spawn.ts` tells it
 * by messages what to start. A process of its own, because whoever starts handlers reaps every child that it has.
 */
import { openSync } from "node:fs";
import { diskReader } from "../../src/config/disk.ts";
import { loadConfig } from "../../src/config/load.ts";
import { loadSys } from "../../src/native/sys.ts";
import { openCgroupHome } from "../../src/process/cgroup-home.ts";
import { lookUp } from "../../src/process/machine.ts";
import { planHandler } from "../../src/process/plan.ts";
import { usualPriority } from "../../src/process/priority.ts";
import { type HandlerStart, Processes } from "../../src/process/processes.ts";
import { systemClock } from "../../src/util/clock.ts";

export interface Order {
  service: string;
  count: number;
}

export interface Outcome {
  /** What each start took, until the program was executed. */
  durationNs: number[];
  /** Whether cgroups are used where there is a tree to be ended. */
  cgroups: boolean;
}

const [path = ""] = process.argv.slice(2);
const uid = process.getuid?.() ?? 0;
const sys = loadSys();
const nothing = openSync("/dev/null", "r+");
const config = loadConfig(path, { reader: diskReader, uid, workingDirectory: "/" });
if (!config.ok) throw new Error(config.error.map(({ message }) => message).join("\n"));
const { services } = config.value;
let cgroups = false;
const world = { sys, clock: systemClock, emit: () => {}, pid: process.pid };
const processes = new Processes(world, () => {
  const home = openCgroupHome(sys, process.pid);
  cgroups = home !== null;
  return home;
});

process.on("message", ({ service, count }: Order) => {
  void measure(service, count).then((durationNs) =>
    process.send?.({ durationNs, cgroups } satisfies Outcome),
  );
});
process.on("disconnect", () => processes.close());

async function measure(name: string, count: number): Promise<number[]> {
  const service = services.get(name);
  if (service === undefined) throw new Error(`no service ${name}`);
  const host = { uid, gid: process.getgid?.() ?? 0, groups: process.getgroups?.() ?? [], environment: {} };
  const facts = lookUp(service, sys, host);
  if (!facts.ok) throw new Error(facts.error.map(({ message }) => message).join("\n"));
  const { spawn } = planHandler(service, facts.value, {
    constants: sys.constants,
    hardLimit: (resource) => sys.getrlimit(resource).hard,
    priority: usualPriority(),
  });
  const plan = sys.prepare(spawn);
  const durations: number[] = [];
  for (let n = 0; n < count; n++) {
    durations.push(
      await new Promise<number>((resolve) => {
        // Told only after `start` has returned.
        const onEnd = () => reach.ended(false, () => resolve(duration));
        const start: HandlerStart = {
          plan,
          descriptors: [nothing, nothing, nothing],
          variables: [],
          connection: null,
          onEnd,
        };
        const before = process.hrtime.bigint();
        const [started] = processes.start(service, [start]);
        const duration = Number(process.hrtime.bigint() - before);
        if (started?.ok !== true) throw new Error(`cannot start ${name}: ${JSON.stringify(started)}`);
        const { reach } = started.value;
      }),
    );
  }
  return durations;
}
