/** `tinetd why SERVICE`: who woke it, what keeps it from serving, and until when. */
import type { Why } from "../control/messages.ts";
import { routes } from "../control/routes.ts";
import { cleanText } from "../log/clean.ts";
import { type Command, exitCode } from "./command.ts";
import { connectionOf, connectionOptions, jsonOption } from "./connection.ts";
import { writeJson } from "./json.ts";
import { ageText, sinceText } from "./text.ts";

export const why: Command = {
  name: "why",
  summary: "say who woke a service, and why it is limited or failed",
  arguments: [{ name: "<service>", description: "the service", completes: "service" }],
  options: [...connectionOptions, jsonOption],
  async run(context, [service = ""], options) {
    const answer = await connectionOf(context, options).ask(routes.service, { service });
    if (options.json === true) writeJson(context, answer.why);
    else context.stdout.write(formatWhy(answer.why, Date.now()));
    return exitCode.done;
  },
};

/** @param now in milliseconds since 1970 */
export function formatWhy(why: Why, now: number): string {
  const { service, state, reason, until, woken, cold_start_ms: coldStartMs } = why;
  const untilText =
    until === null ? "" : `, until ${until} (${ageText(Math.max(0, Date.parse(until) - now))} from now)`;
  const lines = [`${service} is ${state}${reason === null ? "" : `: ${reason}`}${untilText}`];
  if (woken === null) lines.push("no handler was started so far");
  else {
    const by = woken.by === null ? "by tinetd itself" : `for ${woken.by}`;
    lines.push(
      `handler ${woken.pid} was the last started, ${by}, at ${woken.at} (${sinceText(woken.at, now)} ago)`,
    );
  }
  if (coldStartMs !== null) lines.push(`the last cold start took ${coldStartMs} ms`);
  return lines.map((line) => `${cleanText(line, 4096)}\n`).join("");
}
