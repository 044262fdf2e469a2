/** The local syslog daemon: an entry as syslog(3) sends it (RFC 3164 without a host name). */
import { cleanText } from "../clean.ts";
import { type Entry, severityOf } from "../destination.ts";

export const syslogSocket = "/dev/log";

/** LOG_DAEMON, where syslog(3) puts it. */
const facility = 3 << 3;

/** At most 8 KiB in UTF-8, which is what receivers take of a message. */
const longestMessage = 2_000;

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/**
 * `<30>Jan  2 03:04:05 tinetd[1]: "ssh" started handler 7 [event=handler.started service=ssh pid=7]`. The sentence, then
 * every field whose value is one word; the longer ones are in the sentence.
 * @param pid the daemon's
 */
export function encodeSyslog(entry: Entry, now: Date, pid: number): Uint8Array {
  const priority = facility | severityOf(entry.level);
  const message = cleanText(`${entry.msg}${wordsOf(entry)}`, longestMessage);
  return Buffer.from(`<${priority}>${timestamp(now)} tinetd[${pid}]: ${message}`);
}

function wordsOf({ fields }: Entry): string {
  const words = Object.entries(fields)
    .filter(([, value]) => typeof value === "number" || (typeof value === "string" && /^\S+$/.test(value)))
    .map(([name, value]) => `${name}=${value}`);
  return words.length === 0 ? "" : ` [${words.join(" ")}]`;
}

/** `Jan  2 03:04:05`, in local time, as RFC 3164 has it. */
function timestamp(now: Date): string {
  const two = (value: number) => `${value}`.padStart(2, "0");
  const day = `${now.getDate()}`.padStart(2, " ");
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(":");
  return `${months[now.getMonth()]} ${day} ${time}`;
}
