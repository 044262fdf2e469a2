/** `tinetd reload`: has the daemon read its configuration again, waits for it, and says what has changed. */
import type { Plan } from "../control/messages.ts";
import { routes } from "../control/routes.ts";
import { type Command, exitCode } from "./command.ts";
import { connectionOf, connectionOptions, jsonOption } from "./connection.ts";
import { writeJson } from "./json.ts";
import { plural } from "./text.ts";

export const reload: Command = {
  name: "reload",
  summary: "read the configuration again, and say what has changed",
  details:
    "The daemon reads the file with which it was started. If there is anything wrong with it, everything stays as it was,\n" +
    "the problems are printed as `tinetd check` prints them, and the exit code is 78. It is 1 if something that changed\n" +
    "could not be had: a service's new worker that does not get ready, an address that is taken.",
  options: [
    ...connectionOptions,
    { flags: "--dry-run", description: "only say what would change" },
    jsonOption,
  ],
  async run(context, _positional, options) {
    const dryRun = options.dryRun === true;
    const plan = await connectionOf(context, options).ask(routes.reload, { dry_run: dryRun });
    if (options.json === true) writeJson(context, plan);
    else context.stdout.write(formatPlan(plan, dryRun));
    const failed = [...plan.changed, ...plan.daemon].some(({ failure }) => failure !== null);
    return failed ? exitCode.failed : exitCode.done;
  },
};

export function formatPlan(plan: Plan, dryRun: boolean): string {
  const { generation, added, removed, changed, unchanged, daemon, postponed, ended } = plan;
  const lines = [
    ...added.map((name) => `added      ${name}`),
    ...removed.map((name) => `removed    ${name}`),
    ...changed.map(changeLine),
    ...daemon.map(({ key, failure }) =>
      failure === null ? `changed    [daemon] ${key}` : `failed     [daemon] ${key} is as before: ${failure}`,
    ),
    `unchanged  ${plural(unchanged, "service")}`,
  ];
  if (postponed.length > 0) {
    lines.push(`postponed  [daemon] ${postponed.join(", ")}: until a restart`);
  }
  if (ended > 0)
    lines.push(`ended      ${plural(ended, "connection")} that did not finish within drain_timeout`);
  lines.push(
    dryRun ? `nothing is done (--dry-run): it is still generation ${generation}` : `generation ${generation}`,
  );
  return `${lines.join("\n")}\n`;
}

function changeLine({ service, keys, workers, failure }: Plan["changed"][number]): string {
  const line = `changed    ${service}: ${keys.join(", ")} (handlers ${workers})`;
  return failure === null ? line : `${line}; the old one goes on: ${failure}`;
}
