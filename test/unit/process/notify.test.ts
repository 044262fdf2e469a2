import { describe, expect, test } from "vitest";
import { parseNotification } from "../../../src/process/notify.ts";

const parse = (text: string) => parseNotification(Buffer.from(text));

test("what sd_notify sends is understood, in any order, with or without a last newline", () => {
  expect(parse("STATUS=up\nREADY=1")).toMatchObject({ ready: true, status: "up", stopping: false });
  expect(parse("WATCHDOG=1\n")).toMatchObject({ watchdog: "ping", ready: false });
  expect(parse("WATCHDOG=trigger")).toMatchObject({ watchdog: "trigger" });
  expect(parse("STOPPING=1\nERRNO=2\nMAINPID=812\nEXTEND_TIMEOUT_USEC=500000\nBARRIER=1")).toMatchObject({
    stopping: true,
    errno: 2,
    mainPid: 812,
    extendTimeoutUsec: 500_000,
    barrier: true,
  });
});

test("fields of others are left out, not refused", () => {
  expect(parse("FDSTORE=1\nX_OURS=a=b\nREADY=1")).toMatchObject({ ready: true });
});

describe("what is no notification is ignored", () => {
  test.each(["", "\n\n", "READY", "=1", "READY=1\nnonsense", "x".repeat(5000)])("%j", (text) => {
    expect(parse(text)).toBeNull();
  });

  test("numbers that are none, or too large, count as absent", () => {
    expect(parse("MAINPID=-1\nERRNO=99999\nEXTEND_TIMEOUT_USEC=1e9\nREADY=0")).toMatchObject({
      ready: false,
      mainPid: null,
      errno: null,
      extendTimeoutUsec: null,
    });
  });

  test("a status is cut", () => expect(parse(`STATUS=${"s".repeat(999)}`)?.status).toHaveLength(256));
});
