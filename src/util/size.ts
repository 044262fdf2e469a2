/** Sizes as people write them: "512", "64K", "512M", "1G", "2T"; a K is 1024 bytes. */

const units = ["", "K", "M", "G", "T"] as const;

/** @returns bytes, or `null` if the text is not a size */
export function parseSize(text: string): number | null {
  const match = /^(\d+)([KMGT]?)$/i.exec(text);
  if (match === null) return null;
  const power = units.findIndex((unit) => unit === (match[2] ?? "").toUpperCase());
  const bytes = Number(match[1]) * 1024 ** power;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** The shortest exact text: 65536 is "64K", 1000 is "1000". */
export function formatSize(bytes: number): string {
  let value = bytes;
  let power = 0;
  while (value > 0 && value % 1024 === 0 && power < units.length - 1) {
    value /= 1024;
    power += 1;
  }
  return `${value}${units[power]}`;
}
