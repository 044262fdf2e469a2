/** `tinetd check`: everything that is wrong with a configuration, in its text and on this machine, and what to know of it. */
import { type Config, type Problem, positionOf } from "../config/config.ts";
import { notesOn } from "../config/notes.ts";
import { formatProblem, sortProblems } from "../config/problem.ts";
import { closesTcp } from "../handoff/departure.ts";
import type { Sys } from "../native/sys.ts";
import { type Host, lookUp } from "../process/machine.ts";
import { type Command, exitCode } from "./command.ts";
import { configOption, loadOrFail, ownUid } from "./configuration.ts";

export const check: Command = {
  name: "check",
  summary: "check the configuration",
  details:
    "Prints every problem as FILE:LINE:COLUMN: message, and exits 78 if there is one. Errors of the text stop a start or\n" +
    "a reload; errors of the machine (a missing user, program, directory) only the service that has them.\n" +
    "Notes (FILE:LINE:COLUMN: note: ...) say where tinetd can only do its best, and change nothing.",
  options: [configOption],
  async run(context, _positional, options) {
    const config = loadOrFail(context, options);
    const host = {
      uid: ownUid(),
      gid: process.getegid?.() ?? 0,
      groups: process.getgroups?.() ?? [],
      environment: context.environment,
    };
    const sys = context.sys();
    const problems = machineProblems(config, sys, host);
    for (const problem of problems) context.stderr.write(`${formatProblem(problem)}\n`);
    for (const note of notesOn(config, { holdsOff: closesTcp(sys) })) {
      context.stderr.write(`${formatProblem({ ...note, message: `note: ${note.message}` })}\n`);
    }
    if (problems.length > 0) return exitCode.configuration;
    const count = config.services.size === 1 ? "1 service" : `${config.services.size} services`;
    context.stdout.write(`${config.path}: ok, ${count}\n`);
    return exitCode.done;
  },
};

/** What the services that are enabled need and this machine does not have. */
function machineProblems(config: Config, sys: Sys, host: Host): Problem[] {
  const problems: Problem[] = [];
  for (const service of config.services.values()) {
    if (!service.enabled || service.handoff === "builtin") continue;
    const facts = lookUp(service, sys, host);
    if (facts.ok) continue;
    for (const { key, message, hint } of facts.error) {
      const position = positionOf(service, key);
      problems.push({ position, message: `${service.name}: ${message}`, hint, service: service.name, key });
    }
  }
  return sortProblems(problems, config.files);
}
