/** The type of a resource limit (setrlimit(2)): "soft:hard", or one value for both. */
import type { z } from "zod";
import { parseDuration } from "../../../util/duration.ts";
import { err, ok, type Result } from "../../../util/result.ts";
import { parseSize } from "../../../util/size.ts";
import { parsed, type Refusal } from "./basic.ts";
import { textOrInteger } from "./quantities.ts";

/** `"hard"`: the hard limit that the daemon itself was started with. */
export type LimitValue = number | "hard" | "unlimited";

export interface ResourceLimit {
  soft: LimitValue;
  hard: LimitValue;
}

/** What is counted: things, bytes ("64M" may be written) or seconds ("10s" may be written). */
export type LimitUnit = "count" | "bytes" | "seconds";

export function resourceLimit(unit: LimitUnit): z.ZodType<ResourceLimit> {
  const example = { count: "1024", bytes: "512M", seconds: "60s" }[unit];
  const expected = `expected a limit such as "${example}", "${example}:HARD" or "unlimited"`;
  return parsed<string | number, ResourceLimit>(
    textOrInteger(expected),
    (input) => {
      const [softText = "", hardText = softText, ...more] = String(input).split(":");
      const soft = parseLimit(softText, unit);
      const hard = parseLimit(hardText, unit);
      if (soft === null || hard === null || more.length > 0) return err({ message: expected });
      return checkOrder(soft, hard);
    },
    ({ soft, hard }) => (soft === hard ? formatLimit(soft) : `${formatLimit(soft)}:${formatLimit(hard)}`),
  );
}

function parseLimit(text: string, unit: LimitUnit): LimitValue | null {
  if (text === "HARD") return "hard";
  if (text === "unlimited") return "unlimited";
  if (/^\d+$/.test(text)) {
    const value = Number(text);
    return Number.isSafeInteger(value) ? value : null;
  }
  if (unit === "bytes") return parseSize(text);
  const milliseconds = unit === "seconds" ? parseDuration(text) : null;
  return milliseconds === null || milliseconds % 1000 !== 0 ? null : milliseconds / 1000;
}

function checkOrder(soft: LimitValue, hard: LimitValue): Result<ResourceLimit, Refusal> {
  const reversed =
    typeof hard === "number" && (soft === "unlimited" || (typeof soft === "number" && soft > hard));
  if (reversed) return err({ message: `the soft limit ${soft} is above the hard limit ${hard}` });
  return ok({ soft, hard });
}

function formatLimit(value: LimitValue): string {
  return value === "hard" ? "HARD" : String(value);
}
