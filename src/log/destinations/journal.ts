/**
 * systemd's journal: an entry as a datagram of its native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL), one
 * field for each of the event's, and whether our own stderr leads there already.
 */
import { fstatSync } from "node:fs";
import { type Entry, severityOf } from "../destination.ts";

export const journalSocket = "/run/systemd/journal/socket";

/** LOG_DAEMON of syslog(3). */
const facility = "3";

/** `duration_ms` becomes TINETD_DURATION_MS. `null` has no field, a list has one for each of its elements. */
export function encodeJournal({ level, fields, msg }: Entry): Uint8Array {
  const parts = [
    journalField("MESSAGE", msg),
    journalField("PRIORITY", `${severityOf(level)}`),
    journalField("SYSLOG_IDENTIFIER", "tinetd"),
    journalField("SYSLOG_FACILITY", facility),
  ];
  for (const [name, value] of Object.entries(fields)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each === null || each === undefined) continue;
      parts.push(journalField(`TINETD_${name.toUpperCase()}`, textOf(each)));
    }
  }
  return Buffer.concat(parts);
}

function textOf(value: unknown): string {
  return value instanceof Error ? (value.stack ?? String(value)) : String(value);
}

/** `NAME=value`, or, where the value has a newline, the name and the value behind its length in 64 bits. */
function journalField(name: string, value: string): Buffer {
  if (!value.includes("\n")) return Buffer.from(`${name}=${value}\n`);
  const data = Buffer.from(value);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, data, Buffer.from("\n")]);
}

/**
 * Whether a descriptor is the stream to the journal that systemd made for this service: then each line may have its
 * severity in front, `<6>` (sd-daemon(3)).
 * @param variable JOURNAL_STREAM, device and inode; inherited too by those whose stderr was led elsewhere since
 */
export function isJournalStream(fd: number, variable: string | undefined): boolean {
  if (variable === undefined) return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return variable === `${dev}:${ino}`;
  } catch {
    return false;
  }
}
