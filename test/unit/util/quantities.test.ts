import { describe, expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../../src/util/duration.ts";
import { formatRate, parseRate } from "../../../src/util/rate.ts";
import { formatSize, parseSize } from "../../../src/util/size.ts";

describe("durations", () => {
  test.each([
    ["500ms", 500],
    ["5s", 5_000],
    ["2m", 120_000],
    ["1h30m", 5_400_000],
    ["1h 30m", 5_400_000],
    ["2d", 172_800_000],
    ["1d2h3m4s5ms", 93_784_005],
    ["90s", 90_000],
    ["0s", 0],
  ])("%s is %d ms", (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each([
    "",
    " ",
    "5",
    "s",
    "5 s",
    "-5s",
    "1.5s",
    "5s ",
    " 5s",
    "30m1h",
    "5s5s",
    "5sec",
    "5M",
    "99999999999999999d",
  ])("%j is none", (text) => {
    expect(parseDuration(text)).toBeNull();
  });

  test.each([
    [5_400_000, "1h30m"],
    [90_000, "1m30s"],
    [1_500, "1s500ms"],
    [0, "0s"],
    [86_400_000, "1d"],
  ])("%d ms is written %s", (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });

  test("what is written is read back", () => {
    for (let milliseconds = 1; milliseconds < 1e12; milliseconds = milliseconds * 3 + 7) {
      expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds);
    }
  });
});

describe("sizes", () => {
  test.each([
    ["512", 512],
    ["64K", 65_536],
    ["64k", 65_536],
    ["512M", 536_870_912],
    ["1G", 1_073_741_824],
    ["2T", 2_199_023_255_552],
    ["0", 0],
  ])("%s is %d bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(["", "K", "1.5G", "-1", "1KB", "1 K", "1P", "9999999999T"])("%j is none", (text) => {
    expect(parseSize(text)).toBeNull();
  });

  test("what is written is read back, shortened where that is exact", () => {
    expect(formatSize(65_536)).toBe("64K");
    expect(formatSize(65_537)).toBe("65537");
    expect(formatSize(0)).toBe("0");
    for (let bytes = 1; bytes < 1e15; bytes = bytes * 4) expect(parseSize(formatSize(bytes))).toBe(bytes);
  });
});

describe("rates", () => {
  test.each([
    ["50/s", { count: 50, perMs: 1_000, burst: 50 }],
    ["600/m", { count: 600, perMs: 60_000, burst: 600 }],
    ["10/10s", { count: 10, perMs: 10_000, burst: 10 }],
    ["1/h", { count: 1, perMs: 3_600_000, burst: 1 }],
    ["50/s burst 100", { count: 50, perMs: 1_000, burst: 100 }],
    ["50 / s", { count: 50, perMs: 1_000, burst: 50 }],
  ])("%s", (text, rate) => {
    expect(parseRate(text)).toEqual(rate);
  });

  test.each([
    "",
    "50",
    "/s",
    "50/",
    "0/s",
    "50/0s",
    "50/s burst 0",
    "50/s burst",
    "-1/s",
    "1.5/s",
    "50/sec",
    "50/s 100",
  ])("%j is none", (text) => {
    expect(parseRate(text)).toBeNull();
  });

  test.each(["50/s", "600/m", "10/10s", "1/h", "3/d", "50/s burst 100", "5/1m30s", "7/500ms"])(
    "%s is written as it was",
    (text) => {
      const rate = parseRate(text);
      expect(rate && formatRate(rate)).toBe(text);
    },
  );
});
