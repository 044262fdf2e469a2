/** The type of `access_times`: "08:00-18:00", "Mon-Fri 08:00-18:00", "Sat,Sun 22:00-02:00". */
import { z } from "zod";
import { err, ok } from "../../../util/result.ts";
import { parsed } from "./basic.ts";

/** A span of local time on some days of the week. One that ends before it begins goes on past midnight. */
export interface AccessWindow {
  /** Days on which it begins: 0 is Sunday, as in Date. */
  days: number[];
  /** Minutes since midnight; `to` is not part of it. */
  from: number;
  to: number;
}

const dayNames = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const expected = 'expected hours such as "08:00-18:00" or "Mon-Fri 08:00-18:00"';

export const accessWindow: z.ZodType<AccessWindow> = parsed<string, AccessWindow>(
  z.string({ error: () => expected }),
  (input) => {
    const match = /^(?:(\S+) )?(\d\d?):(\d\d)-(\d\d?):(\d\d)$/.exec(input);
    if (match === null) return err({ message: expected });
    const days = parseDays(match[1] ?? "Sun-Sat");
    const from = minutes(match[2], match[3]);
    const to = minutes(match[4], match[5]);
    if (days === null || from === null || to === null || from === to) return err({ message: expected });
    return ok({ days, from, to });
  },
  formatWindow,
);

function minutes(hours = "", rest = ""): number | null {
  const total = Number(hours) * 60 + Number(rest);
  return Number(rest) < 60 && total <= 24 * 60 ? total : null;
}

function parseDays(text: string): number[] | null {
  const days = new Set<number>();
  for (const part of text.split(",")) {
    const [first = "", last = first, ...more] = part.split("-");
    const from = dayNames.indexOf(first);
    const to = dayNames.indexOf(last);
    if (from < 0 || to < 0 || more.length > 0) return null;
    for (let day = from; day !== to; day = (day + 1) % 7) days.add(day);
    days.add(to);
  }
  return [...days].toSorted((a, b) => a - b);
}

function formatWindow({ days, from, to }: AccessWindow): string {
  const clock = (total: number) =>
    [Math.floor(total / 60), total % 60].map((n) => String(n).padStart(2, "0")).join(":");
  const prefix = days.length === 7 ? "" : `${days.map((day) => dayNames[day]).join(",")} `;
  return `${prefix}${clock(from)}-${clock(to)}`;
}
