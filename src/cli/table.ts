/** Tables for people: columns as wide as their content, the last one cut where the terminal ends. */

export interface Column<Row> {
  title: string;
  value(row: Row): string;
  align?: "right";
}

/** @param width of the terminal in characters; `null` (a pipe, a file): nothing is cut */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number | null,
): string {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ value }) => value(row))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  const lines = cells.map((line) =>
    line
      .map((cell, index) => {
        const size = widths[index] ?? 0;
        if (columns[index]?.align === "right") return cell.padStart(size);
        return index === columns.length - 1 ? cell : cell.padEnd(size);
      })
      .join("  ")
      .trimEnd(),
  );
  return lines.map((line) => `${cut(line, width)}\n`).join("");
}

function cut(line: string, width: number | null): string {
  if (width === null || line.length <= width) return line;
  return `${line.slice(0, Math.max(0, width - 1))}…`;
}
