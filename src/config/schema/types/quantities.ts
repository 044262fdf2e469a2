/** Types for durations, sizes, rates, percentages, permission bits and resource limits. */
import { z } from "zod";
import { formatDuration, parseDuration } from "../../../util/duration.ts";
import { formatRate, parseRate, type Rate } from "../../../util/rate.ts";
import { err, ok } from "../../../util/result.ts";
import { formatSize, parseSize } from "../../../util/size.ts";
import { parsed } from "./basic.ts";

/** A year: beyond it somebody mistook the unit. */
const longestMs = 366 * 86_400_000;

/** Milliseconds, `null` for "off". */
export function duration(bounds: { zero: boolean }): z.ZodType<number | null> {
  const expected = `expected a duration${bounds.zero ? "" : " above zero"} such as "5s", "1h30m" or "off"`;
  return parsed<string | number, number | null>(
    textOrInteger(expected),
    (input) => {
      if (input === "off") return ok(null);
      const milliseconds = typeof input === "number" ? input * 1000 : parseDuration(input);
      if (milliseconds === null || milliseconds < 0 || milliseconds > longestMs)
        return err({ message: expected });
      return milliseconds > 0 || bounds.zero ? ok(milliseconds) : err({ message: expected });
    },
    (value) => (value === null ? "off" : formatDuration(value)),
  );
}

/** Bytes. */
export function size(least: number): z.ZodType<number> {
  const expected = `expected a size such as 4096, "64K" or "1G"${least > 0 ? `, at least ${formatSize(least)}` : ""}`;
  return parsed<string | number, number>(
    textOrInteger(expected),
    (input) => {
      const bytes = typeof input === "number" ? input : parseSize(input);
      return bytes === null || bytes < least ? err({ message: expected }) : ok(bytes);
    },
    (value) => formatSize(value),
  );
}

const rateForms = 'such as "50/s", "10/10s" or "600/m burst 100"';

export const rate: z.ZodType<Rate> = parsed<string, Rate>(
  z.string({ error: () => `expected a rate ${rateForms}` }),
  (input) => {
    const value = parseRate(input);
    return value === null ? err({ message: `expected a rate ${rateForms}` }) : ok(value);
  },
  formatRate,
);

/** `null` for "off", with which a service takes back a rate of the defaults. */
export const rateOrOff: z.ZodType<Rate | null> = parsed<string, Rate | null>(
  z.string({ error: () => `expected a rate ${rateForms} or "off"` }),
  (input) => {
    if (input === "off") return ok(null);
    const value = parseRate(input);
    return value === null ? err({ message: `expected a rate ${rateForms} or "off"` }) : ok(value);
  },
  (value) => (value === null ? "off" : formatRate(value)),
);

/** Permission bits in octal, as chmod(1) writes them. */
export function octal(digits: 3 | 4, most: number, example: string): z.ZodType<number> {
  const expected = `expected permission bits in octal as a text, such as "${example}"`;
  return parsed<string, number>(
    z.string({ error: () => expected }),
    (input) => {
      const value = /^[0-7]{3,4}$/.test(input) ? Number.parseInt(input, 8) : Number.NaN;
      return value <= most ? ok(value) : err({ message: expected });
    },
    (value) => value.toString(8).padStart(digits, "0"),
  );
}

/** Above 0, with fractions. `null` for "off" where it may be. */
export function positiveNumber(most: number): z.ZodType<number> {
  const error = () =>
    most === Number.POSITIVE_INFINITY
      ? "expected a number above 0"
      : `expected a number above 0, up to ${most}`;
  return z
    .number({ error })
    .positive({ error })
    .max(most === Number.POSITIVE_INFINITY ? Number.MAX_VALUE : most, { error });
}

/** Percent of one processor: 150 is one and a half of them. */
export const processorShare: z.ZodType<number> = parsed<string, number>(
  z.string({ error: () => 'expected a share of one processor such as "50%" or "200%"' }),
  (input) => {
    const percent = /^(\d{1,6})%$/.exec(input)?.[1];
    return percent === undefined || Number(percent) === 0
      ? err({ message: 'expected a share of one processor such as "50%" or "200%"' })
      : ok(Number(percent));
  },
  (value) => `${value}%`,
);

export function textOrInteger(expected: string): z.ZodType<string | number> {
  return z.union([z.string(), z.int()], { error: () => expected });
}
