/** The examples of `pass` do what their READMEs say, on their own configurations but for the port. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ask, connect, readAll } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { repository } from "../rig/fixtures.ts";
import { pathOf, program } from "../rig/needs.ts";
import type { Rig } from "../rig/rig.ts";

const folder = join(repository, "examples");

interface Example {
  /** What is done in a copy of its folder before it is started. */
  prepare?(copy: string): void;
  /** What clients do, who find that the same process serves all of them. */
  talk(rig: Rig): Promise<void>;
}

const examples: Readonly<Record<string, Example>> = {
  "pass-node": {
    prepare(copy) {
      // What `npm install tinetd` would do, as far as a worker needs it.
      const installed = join(copy, "node_modules/tinetd");
      mkdirSync(installed, { recursive: true });
      for (const part of ["package.json", "dist/worker"]) {
        cpSync(join(repository, part), join(installed, part), { recursive: true });
      }
    },
    async talk(rig) {
      const port = await rig.port("chat");
      await using ada = await connect(port);
      expect(await ada.line()).toBe("guest 1 comes from 127.0.0.1; 1 here");
      const grace = await connect(port);
      expect(await ada.line()).toBe("guest 2 comes from 127.0.0.1; 2 here");
      expect(await grace.line()).toBe("guest 2 comes from 127.0.0.1; 2 here");
      grace.write("good morning\n");
      expect(await ada.line()).toBe("guest 2: good morning");
      grace.reset();
      expect(await ada.line()).toBe("guest 2 has left");
    },
  },

  "pass-node-plain": {
    async talk(rig) {
      const url = `http://127.0.0.1:${await rig.port("http")}/hello`;
      for (const requests of [1, 2, 3]) {
        const headers = requests === 2 ? { connection: "close" } : {};
        const response = await fetch(url, { headers });
        expect(await response.json()).toEqual({ path: "/hello", from: "127.0.0.1", requests });
      }
    },
  },

  "pass-python": {
    async talk(rig) {
      const port = await rig.port("guestbook");
      expect(await ask(port, "hello\n")).toBe("0 lines so far; yours, please\nthank you\n");
      expect(await ask(port, "")).toBe("127.0.0.1: hello\n1 lines so far; yours, please\n");
    },
  },

  "pass-c": {
    prepare(copy) {
      const program = join(copy, "worker");
      execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-o", program, `${program}.c`]);
    },
    async talk(rig) {
      const port = await rig.port("ticket");
      for (const number of [1, 2, 3]) expect(await readAll(port)).toBe(`your number is ${number}\n`);
    },
  },

  "pass-go": {
    prepare(copy) {
      const env = { PATH: process.env.PATH, GOCACHE: join(repository, "build/go"), CGO_ENABLED: "0" };
      execFileSync(pathOf("go"), ["build", "-o", "worker", "."], { cwd: copy, env });
    },
    async talk(rig) {
      const port = await rig.port("dictionary");
      await using one = await connect(port);
      await using other = await connect(port);
      expect(await one.command("set sky blue")).toBe("done");
      expect(await other.command("get sky")).toBe("blue");
    },
  },
};

for (const [name, example] of Object.entries(examples)) {
  test(`${name}: one worker serves all who come, and ends by itself when it is told to`, async ({ skip }) => {
    // A Go toolchain is large, and only its owner needs this example: its absence fails nothing, in CI neither.
    if (name === "pass-go" && program("go")() !== null) skip("needs go");
    await using rig = await startExample(name, example);
    await example.talk(rig);
    const { pid } = await rig.event("handler.started");
    expect((await rig.status()).services).toMatchObject([
      { spawned: 1, start_failures: 0, handlers: [{ pid }] },
    ]);
    expect(await rig.stop()).toEqual({ code: 0, signal: null });
    const { code, signal } = await rig.event("handler.exited", { pid });
    // The end of the channel may have ended it before the signal comes, which Node cannot ignore to the last.
    expect(["0", "SIGTERM"]).toContain(signal ?? `${code}`);
  });
}

test("every example is run by a test, and its README names its port", () => {
  const names = readdirSync(folder).filter((name) => name.startsWith("pass-"));
  expect(names.sort()).toEqual(Object.keys(examples).sort());
  for (const name of names) {
    const port = /127\.0\.0\.1:(\d+)/.exec(configurationOf(name))?.[1];
    expect(readFileSync(join(folder, name, "README.md"), "utf8")).toContain(`127.0.0.1:${port}`);
    expect(readFileSync(join(folder, "README.md"), "utf8")).toContain(`](${name})`);
  }
});

function configurationOf(name: string): string {
  return readFileSync(join(folder, name, "inetd.toml"), "utf8");
}

/** With a free port, and from a copy: the checkout may be where the worker's user cannot go. */
function startExample(name: string, { prepare }: Example): Promise<Rig> {
  return startDaemon(({ directory }) => {
    const copy = join(directory, name);
    cpSync(join(folder, name), copy, { recursive: true });
    prepare?.(copy);
    return configurationOf(name)
      .replace(/127\.0\.0\.1:\d+/, "127.0.0.1:0")
      .replace(`/opt/tinetd/examples/${name}`, copy);
  });
}
