/** FIFOs: they never end, belong to whom they shall, and are taken from nobody. */
import { chownSync, existsSync, lstatSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Endpoint } from "../../../src/net/address.ts";
import { output } from "../../native/support.ts";
import { contender } from "./contender.ts";
import { close, isRoot, open, ready, refusal, sys, workplace } from "./support.ts";

const { path } = workplace();
const nobody = 65534;
const fifo = (name: string): Endpoint => ({ kind: "fifo", path: path(name) });

/** What a reader gets now; `null` is nothing, an empty text the end. */
function read(fd: number): string | null {
  const buffer = Buffer.alloc(64);
  const length = sys.read(fd, buffer);
  return length === null ? null : buffer.toString("utf8", 0, length);
}

describe("a FIFO", () => {
  test("never comes to its end, however many writers come and go", async () => {
    const [listener] = await open(fifo("endless"));
    expect(listener).toMatchObject({
      kind: "fifo",
      canonical: `fifo:${path("endless")}`,
      backlog: 0,
      settings: null,
    });
    expect(read(listener.fd)).toBeNull();
    for (const line of ["one", "two"]) {
      await output(`echo ${line} > ${path("endless")}`);
      await ready(listener.fd);
      expect(read(listener.fd)).toBe(`${line}\n`);
      expect(read(listener.fd)).toBeNull();
    }
  });

  test("has the mode and owner that were declared, without a umask too", async () => {
    const umask = process.umask(0);
    try {
      await open(fifo("plain"));
      await open(fifo("wide/x"), { mode: 0o622, ...(isRoot ? { owner: "nobody", group: "nogroup" } : {}) });
    } finally {
      process.umask(umask);
    }
    expect(lstatSync(path("plain")).mode & 0o7777).toBe(0o600);
    const wide = lstatSync(path("wide/x"));
    expect(wide.mode & 0o7777).toBe(0o622);
    if (isRoot) expect([wide.uid, wide.gid]).toEqual([nobody, nobody]);
  });

  test("that we made is removed at the end", async () => {
    const [listener] = await open(fifo("removed"));
    close(listener);
    expect(existsSync(path("removed"))).toBe(false);
  });

  test("that was there is taken over with whoever waits to write, and stays at the end", async () => {
    sys.makeFifo(path("there"), 0o644);
    // The shell waits in open(2) until somebody reads.
    const writer = output(`echo waited > ${path("there")}`);
    const [listener] = await open(fifo("there"), { mode: 0o620 });
    await writer;
    expect(read(listener.fd)).toBe("waited\n");
    expect(lstatSync(path("there")).mode & 0o7777).toBe(0o620);
    close(listener);
    expect(existsSync(path("there"))).toBe(true);
  });

  test("that somebody reads is an error that names the reader", async () => {
    await using other = await contender();
    const endpoint = fifo("read");
    expect((await other.open({ endpoint, options: { name: "x", backlog: 1 } })).ok).toBe(true);
    expect(await refusal(endpoint)).toEqual({
      address: `fifo:${path("read")}`,
      code: "EADDRINUSE",
      reason: `address in use by pid ${other.pid}`,
      pid: other.pid,
    });
    await other.close();
  });

  test.skipIf(!isRoot)("of another user is left alone, unless he is the declared owner", async () => {
    sys.makeFifo(path("foreign"), 0o600);
    chownSync(path("foreign"), nobody, nobody);
    expect((await refusal(fifo("foreign"))).reason).toBe(
      `${path("foreign")} is a FIFO of another user (uid ${nobody}), which is left alone`,
    );
    await open(fifo("foreign"), { owner: "nobody" });
  });

  test("is not made where a file is", async () => {
    writeFileSync(path("file"), "precious");
    expect(await refusal(fifo("file"))).toMatchObject({
      code: "EEXIST",
      reason: `${path("file")} is a regular file, which is left alone`,
    });
  });
});
