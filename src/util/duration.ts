/** Durations as people write them: "500ms", "5s", "1h30m", "2d". The largest unit first, each at most once. */

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
] as const;

const pattern = /^(?:(\d+)d)? ?(?:(\d+)h)? ?(?:(\d+)m(?!s))? ?(?:(\d+)s)? ?(?:(\d+)ms)?$/;

/** @returns milliseconds, or `null` if the text is not a duration */
export function parseDuration(text: string): number | null {
  const match = pattern.exec(text);
  if (match === null || !/\d/.test(text) || text !== text.trim()) return null;
  let total = 0;
  for (const [index, [, milliseconds]] of units.entries()) {
    total += Number(match[index + 1] ?? 0) * milliseconds;
  }
  return Number.isSafeInteger(total) ? total : null;
}

/** The shortest text that `parseDuration` reads back: 5400000 is "1h30m". */
export function formatDuration(milliseconds: number): string {
  let rest = milliseconds;
  let text = "";
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) text += `${count}${unit}`;
  }
  return text === "" ? "0s" : text;
}
