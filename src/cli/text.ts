/** Figures as people read them: short, and never more exact than they matter. */

const units = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
] as const;

/** The two largest units: `0s`, `42s`, `5m12s`, `2h05m`, `3d04h`; `-` for what nobody knows. */
export function ageText(milliseconds: number | null): string {
  if (milliseconds === null) return "-";
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const first = units.findIndex(([, size]) => seconds >= size);
  const [unit, size] = units[first] ?? ["s", 1];
  const smaller = first < 0 ? undefined : units[first + 1];
  const whole = `${Math.floor(seconds / size)}${unit}`;
  if (smaller === undefined) return whole;
  return `${whole}${String(Math.floor((seconds % size) / smaller[1])).padStart(2, "0")}${smaller[0]}`;
}

/** How long ago a moment was. */
export function sinceText(time: string | null, now: number): string {
  return ageText(time === null ? null : now - Date.parse(time));
}

const sizes = ["", "K", "M", "G", "T", "P"] as const;

/** Three digits at most: `999`, `1.5K`, `12M`; a K is 1024. */
export function bytesText(bytes: number | null): string {
  if (bytes === null) return "-";
  let value = bytes;
  let power = 0;
  // From 999.5 on it would round to four digits.
  while (value >= 999.5 && power < sizes.length - 1) {
    value /= 1024;
    power += 1;
  }
  return `${power > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)}${sizes[power]}`;
}

/** Processor time: `0.05s` below a minute, then as an age. */
export function cpuText(milliseconds: number | null): string {
  if (milliseconds === null || milliseconds >= 60_000) return ageText(milliseconds);
  return `${(milliseconds / 1000).toFixed(2)}s`;
}

export function countText(count: number | null): string {
  return count === null ? "-" : String(count);
}

/** `1 connection`, `2 connections`. */
export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
