/**
 * Shell scripts and plain commands as services.
 *
 * A filter answers only when its input ends: the client's half-close must reach it, and the answer the client. What
 * writes for ever ends by SIGPIPE, if nobody has made it ignore that.
 */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ask, connect } from "../e2e/rig/client.ts";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { expectIdle, expectServed } from "./served.ts";

test("a shell script with a pipeline answers each of its clients", async () => {
  await using rig = await startDaemon(({ directory }) => {
    const script = join(directory, "words");
    writeFileSync(script, '#!/bin/sh\necho "words for $TCPREMOTEIP:"\ntr " " "\\n" | sort | uniq\n');
    chmodSync(script, 0o755);
    return `
[services.words]
listen  = "127.0.0.1:0"
command = "${script}"
`;
  });
  const idle = expectIdle(rig);
  const port = await rig.port("words");

  expect(await ask(port, "b a b\n")).toBe("words for 127.0.0.1:\na\nb\n");
  await expectServed(rig, "words", 1, idle);

  const names = Array.from({ length: 20 }, (_, n) => `client-${n}`);
  const answers = await Promise.all(names.map((name) => ask(port, `${name} ${name}\n`)));
  expect(answers).toEqual(names.map((name) => `words for 127.0.0.1:\n${name}\n`));
  await expectServed(rig, "words", 21, idle);
});

test("a script that writes for ever ends when its client goes", async () => {
  // The first write after the reset fails with ECONNRESET, which the shell does not care about; the next one kills it.
  await using rig = await startDaemon(`
[services.yes]
listen  = "127.0.0.1:0"
command = ["sh", "-c", "while :; do echo y; done"]
`);
  const idle = expectIdle(rig);
  {
    await using client = await connect(await rig.port("yes"));
    expect(await client.line()).toBe("y");
    client.reset();
  }
  expect(await rig.event("handler.exited", { service: "yes" })).toMatchObject({
    code: null,
    signal: "SIGPIPE",
  });
  await expectServed(rig, "yes", 1, idle);
});
