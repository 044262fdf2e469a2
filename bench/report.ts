/** A report as a table for people (80 columns) or as JSON for programs. */
import type { Column, Report } from "./benchmark.ts";

type Cell = string | number | null;

/** The report as text: a title, the table, the notes. Ends with a newline. */
export function formatTable(report: Report): string {
  const cells = report.rows.map((row) =>
    report.columns.map((column, i) => formatCell(column, row[i] ?? null)),
  );
  const widths = report.columns.map((column, i) =>
    Math.max(column.title.length, ...cells.map((row) => row[i]?.length ?? 0)),
  );
  const line = (texts: readonly string[]) =>
    texts
      .map((text, i) =>
        isText(report.columns[i]) ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0),
      )
      .join("  ")
      .trimEnd();
  const titles = report.columns.map((column) => column.title);
  return `${[report.title, "", line(titles), ...cells.map(line), "", ...report.notes].join("\n")}\n`;
}

/** The report as one JSON object, a row as an object with the columns' keys; numbers are not rounded. */
export function formatJson(name: string, report: Report): string {
  const rows = report.rows.map((row) =>
    Object.fromEntries(report.columns.map((column, i) => [column.key, row[i] ?? null])),
  );
  return `${JSON.stringify({ benchmark: name, title: report.title, rows, notes: report.notes })}\n`;
}

function isText(column: Column | undefined): boolean {
  return column === undefined || column.digits === null;
}

function formatCell(column: Column, cell: Cell): string {
  if (cell === null) return "-";
  return typeof cell === "number" ? cell.toFixed(column.digits ?? 0) : cell;
}
