/**
 * Tables for people: columns as wide as their content. In a terminal that is too narrow, columns that can be cut are,
 * and those that can be spared are left out; in a pipe or a file everything is there.
 */
import { cleanText } from "../log/clean.ts";
import { type Colour, paint, type Screen } from "./screen.ts";

export interface Column<Row> {
  title: string;
  value(row: Row): string;
  align?: "right";
  /** What to say instead where there is not enough room for all of it. */
  terse?(row: Row): string;
  /** May be cut, to no less than so many characters. */
  least?: number;
  /** How it is cut to `room` characters; default: the end is missing. */
  shorten?(text: string, room: number): string;
  /** May be left out; of several the largest number first. */
  spare?: number;
  colour?(row: Row): Colour | null;
}

/** No cell is longer, wherever it goes: some come from peers. */
const mostCharacters = 4096;
const gap = "  ";

/** Nothing that a peer or a handler wrote into a cell drives the terminal. */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  screen: Screen,
): string {
  const shown = fitColumns(columns, rows, screen.width);
  const head = shown.map(({ column, width }) => ({ text: pad(column, column.title, width), colour: null }));
  const body = rows.map((row, index) =>
    shown.map(({ column, cells, width }) => ({
      text: pad(column, cells[index] ?? "", width),
      colour: column.colour?.(row) ?? null,
    })),
  );
  return [head, ...body].map((line) => `${joinCells(line, screen)}\n`).join("");
}

interface Shown<Row> {
  column: Column<Row>;
  cells: readonly string[];
  width: number;
}

/** Terser, cut, or left out, in this order. What is too wide even so, `joinCells` cuts. */
function fitColumns<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  room: number | null,
): readonly Shown<Row>[] {
  const whole = columns.map((column) => measure(column, rows, column.value));
  if (room === null || widthOf(whole) <= room) return whole;
  const terse = columns.map((column) => measure(column, rows, column.terse ?? column.value));
  const shrunk = shrink(terse, room);
  if (widthOf(shrunk) <= room) return shrunk;
  const spare = Math.max(...columns.map((column) => column.spare ?? 0));
  if (spare === 0) return shrunk;
  return fitColumns(
    columns.filter((column) => column.spare !== spare),
    rows,
    room,
  );
}

function measure<Row>(column: Column<Row>, rows: readonly Row[], textOf: (row: Row) => string): Shown<Row> {
  const cells = rows.map((row) => cleanText(textOf(row), mostCharacters));
  return { column, cells, width: Math.max(column.title.length, ...cells.map(({ length }) => length)) };
}

/** Takes from the widest first, so that all stay as readable as they can. */
function shrink<Row>(columns: readonly Shown<Row>[], room: number): Shown<Row>[] {
  const shrunk = columns.map((each) => ({ ...each }));
  for (let excess = widthOf(shrunk) - room; excess > 0; excess--) {
    const able = shrunk.filter(({ column, width }) => column.least !== undefined && width > column.least);
    const [widest] = able.sort((one, other) => other.width - one.width);
    if (widest === undefined) break;
    widest.width -= 1;
  }
  return shrunk;
}

function widthOf(columns: readonly { width: number }[]): number {
  return columns.reduce((sum, { width }) => sum + width, 0) + gap.length * (columns.length - 1);
}

function pad<Row>({ align, shorten = cutEnd }: Column<Row>, text: string, width: number): string {
  const cell = text.length > width ? shorten(text, width) : text;
  return align === "right" ? cell.padStart(width) : cell.padEnd(width);
}

/** Colours come last, where nothing is counted any more. */
function joinCells(cells: readonly { text: string; colour: Colour | null }[], screen: Screen): string {
  const plain = cells
    .map(({ text }) => text)
    .join(gap)
    .trimEnd();
  if (screen.width !== null && plain.length > screen.width) return cutEnd(plain, screen.width);
  if (!screen.colour) return plain;
  return cells
    .map(({ text, colour }) => paint(screen, colour, text))
    .join(gap)
    .trimEnd();
}

/** @returns at most `room` characters; that something is missing shows */
export function cutEnd(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, Math.max(0, room - 1))}…`;
}

/** Of an address the end matters: it is the port. */
export function cutAddress(address: string, room: number): string {
  if (address.length <= room) return address;
  const tail = Math.ceil((room - 1) / 2);
  return `${address.slice(0, Math.max(0, room - 1 - tail))}…${address.slice(address.length - tail)}`;
}

/** Nearly all are TCP: where there is little room, that need not be said. */
export function terseAddress(address: string): string {
  return address.replace(/^tcp:\/\//, "");
}
