/**
 * `npm run bench -- [NAME...] [--json] [--rounds N] [--seconds N]`: runs the named benchmarks, or all. What was measured
 * goes to stdout, what happens meanwhile to stderr. README.md says how to read it.
 */
import { Argument, Command, InvalidArgumentError } from "commander";
import type { Benchmark } from "./benchmark.ts";
import { control } from "./control/control.ts";
import { idle } from "./idle/idle.ts";
import { listen } from "./listen/listen.ts";
import { pass } from "./pass/pass.ts";
import { proxy } from "./proxy/proxy.ts";
import { reload } from "./reload/reload.ts";
import { formatJson, formatTable } from "./report.ts";
import { sampling } from "./sampling/sampling.ts";
import { spawn } from "./spawn/spawn.ts";
import { stdio } from "./stdio/stdio.ts";
import { upgrade } from "./upgrade/upgrade.ts";

const benchmarks: readonly Benchmark[] = [
  stdio,
  listen,
  pass,
  proxy,
  spawn,
  sampling,
  control,
  reload,
  upgrade,
  idle,
];

const most = { rounds: 1000, seconds: 60 };

const names = new Argument("[name...]", "which ones; all, if none is named").choices(
  benchmarks.map(({ name }) => name),
);
await new Command("bench")
  .description("Measures tinetd beside its peers, on loopback.")
  .addArgument(names)
  .option("--json", "one JSON object per benchmark instead of tables", false)
  .option("--rounds <n>", "how often every server gets its turn", between(1, most.rounds), 12)
  .option("--seconds <n>", "how long one turn of a rate measurement takes", between(0.1, most.seconds), 0.4)
  .addHelpText(
    "after",
    `\nBenchmarks:\n${benchmarks.map(({ name, summary }) => `  ${name}: ${summary}`).join("\n")}`,
  )
  .action(run)
  .parseAsync();

async function run(
  chosen: string[],
  options: { json: boolean; rounds: number; seconds: number },
): Promise<void> {
  const interrupted = interruption();
  const progress = (text: string) => console.error(text);
  const { rounds, seconds } = options;
  try {
    for (const benchmark of benchmarks) {
      if (chosen.length > 0 && !chosen.includes(benchmark.name)) continue;
      const report = await benchmark.run({ rounds, seconds, interrupted, progress });
      process.stdout.write(options.json ? formatJson(benchmark.name, report) : `\n${formatTable(report)}`);
    }
  } catch (error) {
    if (!interrupted.aborted) throw error;
    console.error("interrupted: what had been started is stopped");
    process.exitCode = 1;
  }
}

/** Aborted by the first SIGINT or SIGTERM, so that a benchmark can stop the servers it has started. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => controller.abort(new Error(`interrupted by ${signal}`)));
  }
  return controller.signal;
}

function between(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!(value >= least && value <= most)) throw new InvalidArgumentError(`expected ${least} to ${most}`);
    return value;
  };
}
