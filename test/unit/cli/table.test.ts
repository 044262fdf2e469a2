import { describe, expect, test } from "vitest";
import type { Screen } from "../../../src/cli/screen.ts";
import { type Column, cutAddress, formatTable, terseAddress } from "../../../src/cli/table.ts";

const wide: Screen = { width: null, colour: false };
const plain = (width: number): Screen => ({ width, colour: false });

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
  expect(formatTable(columns, rows, wide)).toBe(
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
  expect(formatTable(columns, [], plain(80))).toBe("NAME  COUNT  PLACE\n");
});

describe("a terminal", () => {
  test("cuts what is too long, and says so", () => {
    const lines = formatTable(columns, rows, plain(26)).split("\n");
    expect(lines[2]).toBe("longer  1234567  somewher…");
    expect(lines[1]).toBe("a             5  here");
    expect(lines.every((line) => line.length <= 26)).toBe(true);
  });

  test("leaves a line that just fits", () => {
    expect(formatTable(columns, rows, plain(35)).split("\n")[2]).toBe("longer  1234567  somewhere far away");
  });
});

describe("a terminal with too little room for all columns", () => {
  const flexible: Column<Row>[] = [
    { title: "NAME", value: ({ name }) => name, least: 4 },
    { title: "COUNT", value: ({ count }) => String(count), align: "right", spare: 1 },
    { title: "PLACE", value: ({ place }) => `in ${place}`, terse: ({ place }) => place, least: 8 },
  ];
  const linesIn = (width: number) => formatTable(flexible, rows, plain(width)).split("\n").slice(0, -1);

  test("says less first, while all is there", () => {
    expect(linesIn(38)[2]).toBe("longer  1234567  in somewhere far away");
    expect(linesIn(37)[2]).toBe("longer  1234567  somewhere far away");
  });

  test("cuts then, the widest column first", () => {
    expect(linesIn(30)[2]).toBe("longer  1234567  somewhere fa…");
    expect(linesIn(23)[2]).toBe("lon…  1234567  somewhe…");
  });

  test("leaves out what can be spared when nothing more can be cut", () => {
    expect(linesIn(22)).toEqual(["NAME    PLACE", "a       here", "longer  somewhere far…", "empty"]);
  });

  test("and cuts the lines at last", () => {
    expect(linesIn(10)[2]).toBe("lon…  som…");
    expect(linesIn(10).every((line) => line.length <= 10)).toBe(true);
  });
});

test("nothing in a cell drives the terminal", () => {
  const hostile = { name: "\u001b[2J\u009bx", count: 1, place: "a\r\nb" };
  expect(formatTable(columns, [hostile], wide).split("\n")[1]).toBe("?[2J?x      1  a??b");
});

test("colours count for nothing, and are there only where the screen has them", () => {
  const coloured: Column<Row>[] = [
    { title: "NAME", value: ({ name }) => name, colour: ({ count }) => (count === 0 ? "red" : null) },
    { title: "COUNT", value: ({ count }) => String(count) },
  ];
  expect(formatTable(coloured, rows, wide)).not.toContain("\u001b");
  const lines = formatTable(coloured, rows, { width: 80, colour: true }).split("\n");
  expect(lines[3]).toBe("\u001b[31mempty \u001b[0m  0");
  expect(lines[2]).toBe("longer  1234567");
});

describe("addresses", () => {
  test("lose their middle, and never the port while there is room for it", () => {
    expect(cutAddress("[2001:db8:1:2:3:4:5:6]:50123", 16)).toBe("[2001:d…6]:50123");
    for (let room = 1; room <= 28; room++) {
      expect(cutAddress("[2001:db8:1:2:3:4:5:6]:50123", room)).toHaveLength(room);
    }
  });

  test("of TCP need no protocol", () => {
    expect(terseAddress("tcp://[::1]:22")).toBe("[::1]:22");
    expect(terseAddress("udp://[::1]:22")).toBe("udp://[::1]:22");
  });
});
