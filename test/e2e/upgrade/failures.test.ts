/** Upgrades that fail: in the trial, after the exec, at a bad moment. The daemon goes on as it was, and says why. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stateVersion } from "../../../src/daemon/upgrade/state-file.ts";
import { type Client, connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { repository } from "../rig/fixtures.ts";
import type { Rig } from "../rig/rig.ts";
import { first, type Installation, installation, noneLeftOver, runUpgrade } from "./installed.ts";

interface Scene extends AsyncDisposable {
  installed: Installation;
  /** Where the daemon puts what it needs for a moment. */
  temporary: string;
  rig: Rig;
  client: Client;
  port: number;
}

/** A daemon with one client, and a program that may be replaced. */
async function scene(keys = ""): Promise<Scene> {
  const installed = installation();
  const temporary = mkdtempSync(join(tmpdir(), "tinetd-temporary-"));
  const rig = await startDaemon(`[services.echo]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n${keys}`, {
    main: installed.main,
    environment: { TMPDIR: temporary },
  });
  const port = await rig.port("echo");
  const client = await connect(port);
  expect(await client.command("hello")).toBe("hello");
  return {
    installed,
    temporary,
    rig,
    client,
    port,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await rig[Symbol.asyncDispose]();
      installed[Symbol.dispose]();
      rmSync(temporary, { recursive: true });
    },
  };
}

async function goesOn({ rig, client, port }: Scene, version: string): Promise<void> {
  expect(await client.command("still")).toBe("still");
  await using other = await connect(port);
  expect(await other.command("new")).toBe("new");
  expect((await rig.status()).daemon).toMatchObject({ pid: rig.pid, version });
}

/** Where a descriptor of the state is claimed. */
const claims = /this\.#left\.delete\(\w+\)/;

const version: string = JSON.parse(readFileSync("package.json", "utf8")).version;

test.each([
  ["a program that throws", first('throw new Error("badly built");'), "Error: badly built"],
  ["what is no program", () => "this is (no program", "SyntaxError"],
  ["a program that is no tinetd", () => "console.log('hello')", "does not know how to take over"],
  [
    "one that knows an option no more",
    (text: string) => text.replaceAll("--log-format", "--log-form"),
    "unknown option",
  ],
  [
    "one that cannot take up the state",
    (text: string) => text.replace(claims, "false"),
    "is not among those that came along",
  ],
])("%s fails the trial", async (_what, change, reason) => {
  await using here = await scene();
  const descriptors = here.rig.descriptors();
  here.installed.install("9.9.9", change);
  const said = await runUpgrade(here.rig);
  expect(said).toMatchObject({ code: 1, stdout: "" });
  expect(said.stderr).toContain("what is installed cannot take over");
  expect(said.stderr).toContain(reason);
  expect(await here.rig.event("daemon.upgrade")).toMatchObject({
    level: "error",
    error: expect.stringContaining(reason),
  });
  await goesOn(here, version);
  await here.rig.event("connection.closed", { connection: 2 });
  await noneLeftOver(here.rig, descriptors);
  // What is right again is taken, by the same daemon.
  here.installed.install("9.9.10");
  expect(await runUpgrade(here.rig)).toMatchObject({ code: 0, stderr: "" });
  await goesOn(here, "9.9.10");
});

const inTakeover = '(process.env.TINETD_UPGRADE ?? "").startsWith("take over")';

test.each([
  ["throws before anything else", first(`if (${inTakeover}) throw new Error("only now");`), "only now"],
  ["ends", first(`if (${inTakeover}) process.exit(7);`), "it ended with 7"],
  [
    "throws in the middle of taking up the state",
    (text: string) => text.replace(claims, (found) => `(!${inTakeover}&&${found})`),
    "is not among those that came along",
  ],
])(
  "a new version that %s is gone back from, although its files have replaced the old ones",
  async (_what, change, reason) => {
    await using here = await scene();
    const descriptors = here.rig.descriptors();
    here.installed.install("9.9.9", change);
    const said = await runUpgrade(here.rig);
    expect(said).toMatchObject({ code: 1, stdout: "" });
    expect(said.stderr).toContain("the installed version could not take over");
    expect(said.stderr).toContain(reason);
    await here.rig.event("daemon.upgrade");
    await goesOn(here, version);
    await here.rig.event("connection.closed", { connection: 2 });
    await noneLeftOver(here.rig, descriptors);
    expect(readdirSync(here.temporary)).toEqual([]);
    // From there the next one works, and a further failure as well.
    here.installed.install("9.9.10");
    expect(await runUpgrade(here.rig)).toMatchObject({ code: 0, stderr: "" });
    await goesOn(here, "9.9.10");
    here.installed.install("9.9.11", change);
    expect(await runUpgrade(here.rig)).toMatchObject({ code: 1 });
    await goesOn(here, "9.9.10");
  },
);

test("a later version reads the state of an earlier one; an earlier one refuses that of a later", async () => {
  await using here = await scene();
  const later = (text: string) => {
    const steps = "(older)=>({...older,state:{...older.state,generation:older.state.generation+100}})";
    const changed = text.replace(/migrations\s*=\s*\[\]/, `migrations=[${steps}]`);
    expect(changed).not.toBe(text);
    return changed;
  };
  here.installed.install("9.9.9", later);
  expect(await runUpgrade(here.rig)).toMatchObject({ code: 0, stderr: "" });
  expect((await here.rig.status()).daemon.generation).toBe(101);
  await goesOn(here, "9.9.9");

  here.installed.install(version);
  const said = await runUpgrade(here.rig);
  expect(said.code).toBe(1);
  expect(said.stderr).toContain(
    `the state has version ${stateVersion + 1}, and this tinetd reads versions up to ${stateVersion}`,
  );
  await goesOn(here, "9.9.9");
});

test("a configuration that the new version does not take is told with its key", async () => {
  await using here = await scene("max_instances = 5");
  here.installed.install("9.9.9", (text) => text.replaceAll("max_instances", "most_instances"));
  const said = await runUpgrade(here.rig);
  expect(said.code).toBe(1);
  expect(said.stderr).toContain("max_instances");
  await goesOn(here, version);
});

test("not while a service is stopped only to be started again", async () => {
  await using here = await scene();
  const main = join(repository, "dist/main.js");
  const socket = ["--control-socket", here.rig.controlSocket];
  const restart = spawn(process.execPath, [main, "restart", "--drain", "echo", ...socket]);
  await here.rig.event("service.state", { state: "stopped" });
  const said = await runUpgrade(here.rig);
  expect(said).toMatchObject({ code: 1, stderr: expect.stringContaining('"echo" is being restarted') });
  const restarted = once(restart, "exit");
  here.client.end();
  expect(await restarted).toEqual([0, null]);
  expect(await runUpgrade(here.rig)).toMatchObject({ code: 0, stderr: "" });
});

test("not while the daemon is on its way out, and one at a time", async () => {
  await using here = await scene();
  const both = await Promise.all([runUpgrade(here.rig), runUpgrade(here.rig)]);
  const codes = both.map(({ code }) => code).sort();
  // Whoever comes second comes during the first, or after it.
  expect([
    [0, 0],
    [0, 1],
  ]).toContainEqual(codes);
  if (codes[1] === 1) expect(both.find(({ code }) => code === 1)?.stderr).toContain("under way");
  await goesOn(here, version);
  here.rig.signal("SIGQUIT");
  await here.rig.event("daemon.shutdown");
  const said = await runUpgrade(here.rig);
  expect(said).toMatchObject({ code: 1, stderr: expect.stringContaining("shutting down") });
  expect(await here.client.command("last")).toBe("last");
  here.client.end();
  expect((await here.rig.exited).code).toBe(0);
});
