/** Sealed files, FIFOs, locks and extended attributes. */
import { execFileSync } from "node:child_process";
import {
  constants,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileFixture } from "./compile.ts";
import { expectNoLeaks } from "./leaks.ts";
import { addonPath, closeAll, closesOnExec, failure, node, run, sys } from "./support.ts";

expectNoLeaks();

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "tinetd-test-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

describe("a sealed file", () => {
  const data = Buffer.alloc(300_000, "state ");

  test("holds the data, from position 0, close-on-exec", () => {
    const fd = sys.sealedFile("state", data);
    expect(closesOnExec(fd)).toBe(true);
    expect(readFileSync(fd)).toEqual(data);
    sys.close(fd);
  });

  test("cannot be written, grown or shrunk", () => {
    const fd = sys.sealedFile("state", data);
    expect(() => writeSync(fd, "x", 0)).toThrow("EPERM");
    expect(() => ftruncateSync(fd, 10)).toThrow("EPERM");
    expect(() => ftruncateSync(fd, 1_000_000)).toThrow("EPERM");
    sys.close(fd);
  });

  test("is read at any position, by whoever has it", () => {
    const fd = sys.sealedFile("state", Buffer.from("0123456789"));
    const three = Buffer.alloc(3);
    expect([sys.readAt(fd, three, 4), three.toString()]).toEqual([3, "456"]);
    expect([sys.readAt(fd, three, 8), three.toString()]).toEqual([2, "896"]);
    expect(sys.readAt(fd, three, 10)).toBe(0);
    expect(sys.readAt(fd, three, 2 ** 40)).toBe(0);
    expect(readFileSync(fd, "latin1")).toBe("0123456789");
    sys.close(fd);
    expect(failure(() => sys.readAt(fd, three, 0))).toMatchObject({ code: "EBADF", syscall: "pread64" });
  });

  test("may be empty", () => {
    const fd = sys.sealedFile("", new Uint8Array(0));
    expect(readSync(fd, Buffer.alloc(1))).toBe(0);
    sys.close(fd);
  });

  test("has a name of limited length", () => {
    expect(failure(() => sys.sealedFile("x".repeat(300), data))).toMatchObject({
      code: "EINVAL",
      syscall: "memfd_create",
    });
  });
});

describe("a FIFO", () => {
  test("has the mode that the umask leaves", () => {
    const path = join(directory, "fifo");
    sys.makeFifo(path, 0o666);
    const { mode } = statSync(path);
    expect(mode).toBe(constants.S_IFIFO | (0o666 & ~process.umask()));
  });

  test("replaces nothing", () => {
    const path = join(directory, "fifo");
    expect(failure(() => sys.makeFifo(path, 0o600))).toMatchObject({
      code: "EEXIST",
      message: `mkfifo EEXIST: file already exists ${path}`,
    });
  });
});

describe("two paths", () => {
  test("are exchanged in one step", () => {
    const [first, second] = [join(directory, "first"), join(directory, "second")];
    writeFileSync(first, "1");
    writeFileSync(second, "2");
    sys.exchangePaths(first, second);
    expect([first, second].map((path) => readFileSync(path, "utf8"))).toEqual(["2", "1"]);
  });

  test("must both be there", () => {
    const [first, second] = [join(directory, "first"), join(directory, "nothing")];
    expect(failure(() => sys.exchangePaths(first, second))).toMatchObject({
      code: "ENOENT",
      message: `renameat2 ENOENT: no such file or directory ${first}`,
    });
  });
});

describe("a lock", () => {
  test("is had once, by the open file description and all its duplicates", () => {
    const path = join(directory, "lock");
    const [first, second] = [openSync(path, "w"), openSync(path, "w")];
    const copy = sys.dup(first);
    expect([sys.lockFile(first), sys.lockFile(first), sys.lockFile(copy)]).toEqual([null, null, null]);
    expect(sys.lockFile(second)).toBe(-1);
    sys.close(first);
    expect(sys.lockFile(second)).toBe(-1);
    sys.close(copy);
    expect(sys.lockFile(second)).toBeNull();
    sys.close(second);
  });

  test("outlives an exec with its descriptor", async () => {
    const path = join(directory, "kept");
    const fd = openSync(path, "w");
    const successor = `
      const sys = require(${JSON.stringify(addonPath)});
      console.log(sys.lockFile(require("node:fs").openSync(${JSON.stringify(path)}, "w")));
    `;
    const holder = node(`
      const held = require("node:fs").openSync(${JSON.stringify(path)}, "w");
      console.log(sys.lockFile(held));
      for (const fd of [0, 1, 2, held]) sys.setCloseOnExec(fd, false);
      sys.exec(process.execPath, ["node", "-e", ${JSON.stringify(successor)}], []);
    `);
    expect((await run(holder)).output).toBe("null\n-1\n");
    expect(sys.lockFile(fd)).toBeNull();
    sys.close(fd);
  });

  test("needs a descriptor open for writing", () => {
    const fd = openSync(join(directory, "lock"), "r");
    expect(failure(() => sys.lockFile(fd))).toMatchObject({ code: "EBADF", syscall: "fcntl" });
    closeAll(fd);
  });
});

describe("an extended attribute", () => {
  // In the directory of the addon: not every temporary file system has such attributes.
  const file = `${addonPath}.setxattr`;
  beforeAll(() => compileFixture("setxattr", file));
  afterAll(() => rmSync(file));
  const set = (name: string, value: string) => execFileSync(file, [file, name, value]);

  test("is read as it was set, or null if there is none", () => {
    set("user.tinetd", "1");
    expect(Buffer.from(sys.getxattr(file, "user.tinetd") ?? []).toString()).toBe("1");
    set("user.tinetd", "");
    expect(sys.getxattr(file, "user.tinetd")).toEqual(new Uint8Array(0));
    expect(sys.getxattr(file, "user.other")).toBeNull();
    expect(sys.getxattr(file, "of-no-namespace")).toBeNull();
  });

  test("that is too long, or of a file that is not there, is an error", () => {
    set("user.tinetd", "x".repeat(257));
    expect(failure(() => sys.getxattr(file, "user.tinetd"))).toMatchObject({ code: "ERANGE" });
    expect(failure(() => sys.getxattr(`${file}.gone`, "user.tinetd"))).toMatchObject({
      code: "ENOENT",
      message: `getxattr ENOENT: no such file or directory ${file}.gone`,
    });
  });
});
