import { describe, expect, test } from "vitest";
import { type Column, formatTable } from "../../../src/cli/table.ts";

interface Row {
  name: string;
  count: number;
  place: string;
}

const columns: Column<Row>[] = [
  { title: "NAME", value: ({ name }) => name },
  { title: "COUNT", value: ({ count }) => String(count), align: "right" },
  { title: "PLACE", value: ({ place }) => place },
];
const rows: Row[] = [
  { name: "a", count: 5, place: "here" },
  { name: "longer", count: 1_234_567, place: "somewhere far away" },
  { name: "empty", count: 0, place: "" },
];

test("columns are as wide as their content, numbers to the right, and no line ends in blanks", () => {
  expect(formatTable(columns, rows, null)).toBe(
    [
      "NAME      COUNT  PLACE",
      "a             5  here",
      "longer  1234567  somewhere far away",
      "empty         0",
      "",
    ].join("\n"),
  );
});

test("without rows there is the head", () => {
  expect(formatTable(columns, [], 80)).toBe("NAME  COUNT  PLACE\n");
});

describe("a terminal", () => {
  test("cuts what is too long, and says so", () => {
    const lines = formatTable(columns, rows, 26).split("\n");
    expect(lines[2]).toBe("longer  1234567  somewher…");
    expect(lines[1]).toBe("a             5  here");
    expect(lines.every((line) => line.length <= 26)).toBe(true);
  });

  test("leaves a line that just fits", () => {
    expect(formatTable(columns, rows, 35).split("\n")[2]).toBe("longer  1234567  somewhere far away");
  });
});
