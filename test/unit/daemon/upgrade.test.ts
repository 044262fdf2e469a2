/** The parts of an upgrade that are pure, or nearly. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { commandOf, formatCall, takeCall } from "../../../src/daemon/upgrade/program.ts";
import { readState, stateVersion, writeState } from "../../../src/daemon/upgrade/state-file.ts";
import { judge } from "../../../src/daemon/upgrade/trial.ts";
import { Luggage } from "../../../src/daemon/upgrade/upgrade.ts";

const directory = mkdtempSync(join(tmpdir(), "tinetd-test-"));
afterAll(() => rmSync(directory, { recursive: true }));

describe("the call of a new process", () => {
  const program = {
    node: "/usr/bin/node",
    nodeOptions: ["--no-warnings"],
    file: "/usr/bin/tinetd",
    argv: ["run", "-c", "x"],
    environment: { HOME: "/root", EMPTY: "", ABSENT: undefined },
    workingDirectory: "/",
  };

  test("is read from the environment, which nobody else then sees it in", () => {
    const call = { role: "go back", state: 17, reason: "it said: a:b\nand more" } as const;
    const [name = "", ...value] = formatCall(call).split("=");
    const taken = takeCall({ ...program.environment, [name]: value.join("=") });
    expect(taken.call).toEqual(call);
    expect(taken.environment).toEqual(program.environment);
  });

  test("is none where there is none, or something that is none of ours", () => {
    for (const text of [undefined, "", "take over", "take over:x:", "become:3:"])
      expect(takeCall({ TINETD_UPGRADE: text }).call).toBeNull();
  });

  test("has a reason of bounded length and without what an environment cannot hold", () => {
    const text = formatCall({ role: "go back", state: 3, reason: `a\0b${"x".repeat(5_000)}` });
    expect(text).toContain("a b");
    expect(text.length).toBeLessThan(1_100);
  });

  test("is made by the same words, with a guard ahead once and not twice", () => {
    const call = { role: "take over", state: 5, reason: "" } as const;
    const first = commandOf(program, call, undefined, "guard()");
    expect(first.argv).toEqual([
      program.node,
      "--no-warnings",
      expect.stringMatching(/^--import=data:/),
      program.file,
      ...program.argv,
    ]);
    expect(first.environment).toContain("HOME=/root");
    expect(first.environment.some((variable) => variable.startsWith("ABSENT"))).toBe(false);
    const [, ...options] = first.argv.slice(0, 3);
    const second = commandOf({ ...program, nodeOptions: options }, call, undefined, "guard()");
    expect(second.argv).toEqual(first.argv);
    expect(commandOf({ ...program, nodeOptions: options }, call, "/old/main.js").argv).toEqual([
      program.node,
      "--no-warnings",
      "/old/main.js",
      ...program.argv,
    ]);
  });
});

describe("a state", () => {
  const written = (state: unknown): Buffer => {
    const files: Buffer[] = [];
    writeState({ sealedFile: (_name, data) => files.push(Buffer.from(data)) }, state);
    return Buffer.concat(files);
  };
  const read = (bytes: Buffer) => {
    const path = join(directory, "state");
    writeFileSync(path, bytes);
    const fd = openSync(path, "r");
    try {
      return readState(fd);
    } finally {
      closeSync(fd);
    }
  };

  test("is read as it was written, whatever stands in it", () => {
    const state = { name: 'x\n"}\0', list: [1, null, "ü"] };
    expect(read(written(state))).toEqual({ ok: true, value: state });
  });

  test.each([
    ["something else", (_: Buffer) => Buffer.from("hello, world, hello, world"), "no state of a tinetd"],
    ["nothing", (_: Buffer) => Buffer.alloc(0), "no state of a tinetd"],
    ["a part", (bytes: Buffer) => bytes.subarray(0, -1), "bytes long"],
    ["more than there is", (bytes: Buffer) => Buffer.concat([bytes, Buffer.from("{}")]), "bytes long"],
    [
      "one of a later version",
      (bytes: Buffer) => {
        bytes.writeUInt32LE(stateVersion + 1, 8);
        return bytes;
      },
      `version ${stateVersion + 1}, and this tinetd reads versions up to ${stateVersion}`,
    ],
    [
      "what is no JSON",
      (bytes: Buffer) => {
        bytes.write("?", 20);
        return bytes;
      },
      "cannot be read",
    ],
  ])("is not taken from %s", (_what, change, message) => {
    expect(read(change(written({ a: 1 })))).toMatchObject({
      ok: false,
      error: expect.stringContaining(message),
    });
  });
});

test.each([
  [0, '{"version":"2.0.0"}\n', "", { ok: true, value: { version: "2.0.0" } }],
  [0, "hello\n", "", { ok: false, error: "what is installed does not know how to take over" }],
  [1, "", "a warning\ntinetd: no room\n", { ok: false, error: "it ended with 1: no room" }],
  [
    1,
    "",
    "file:///x.js:3\nthrow new TypeError()\n^\n\nTypeError: bad\n    at x\n\nNode.js v20\n",
    { ok: false, error: "it ended with 1: TypeError: bad" },
  ],
  [null, "", "", { ok: false, error: "it was killed, or has not answered" }],
])("a trial that ends with %s, having said %j and complained of %j", (code, said, wrong, verdict) => {
  expect(judge(code, said, wrong)).toEqual(verdict);
});

test("each descriptor is claimed once, and what nobody claims is closed", () => {
  const closed: number[] = [];
  const luggage = new Luggage([5, 6, 7]);
  expect(luggage.claim(6)).toBe(6);
  expect(() => luggage.claim(6)).toThrow("descriptor 6 is not among those that came along");
  expect(() => luggage.claim(9)).toThrow("descriptor 9");
  luggage.closeRest({ close: (fd) => void closed.push(fd) });
  luggage.closeRest({ close: (fd) => void closed.push(fd) });
  expect(closed).toEqual([5, 7]);
});
