/** `tinetd reload`: what it prints, and its exit codes. What it does is tested in ../reload. */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { startFixture } from "../core/tools.ts";
import { makeFolder, tinetd } from "./tinetd.ts";
import { on, silent } from "./tools.ts";

test("reload prints the plan, and only --dry-run leaves it at that", async () => {
  await using rig = await startFixture();
  const before = readFileSync(rig.configPath, "utf8");
  writeFileSync(rig.configPath, `${before}\n[services.more]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n`);
  const dry = await on(rig, ["reload", "--dry-run"]);
  expect(dry).toEqual({
    code: 0,
    stdout: "added      more\nunchanged  1 service\nnothing is done (--dry-run): it is still generation 1\n",
    stderr: "",
  });
  expect((await rig.status()).services).toHaveLength(1);
  const real = await on(rig, ["reload"]);
  expect(real).toEqual({
    code: 0,
    stdout: "added      more\nunchanged  1 service\ngeneration 2\n",
    stderr: "",
  });
  expect((await rig.status()).services).toHaveLength(2);
  expect(await on(rig, ["stop", "more"])).toEqual(silent);
});

test("reload of a wrong configuration prints every problem with its place, and exits with 78", async () => {
  await using rig = await startFixture();
  writeFileSync(rig.configPath, '[services.x]\nlisen = 7\ncommand = "cat"\nuser = "nobody"\n');
  const { code, stdout, stderr } = await on(rig, ["reload"]);
  expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
  expect(stderr).toContain(`${rig.configPath}:2:1: `);
  expect(stderr).toContain("did you mean `listen`?");
  expect(stderr).toMatch(/^tinetd: \d errors? in the configuration$/m);
  expect((await rig.status()).services).toMatchObject([{ name: "fixture" }]);
});

test("the daemon of a file is found whatever has become wrong with its services", async () => {
  await using rig = await startFixture();
  const daemon = `[daemon]\ncontrol_socket = "${rig.controlSocket}"\n`;
  writeFileSync(rig.configPath, `${daemon}[services.x]\nlisen = 7\n`);
  const { code, stderr } = await tinetd(["reload", "-c", rig.configPath]);
  expect(code).toBe(78);
  expect(stderr).toContain(`${rig.configPath}:4:1: unknown key "lisen"`);
});

test("no other daemon is asked in place of one whose file says nothing of it any more", async () => {
  await using rig = await startFixture();
  const usual = { environment: { RUNTIME_DIRECTORY: dirname(rig.controlSocket) } };
  expect(await tinetd(["status"], usual)).toMatchObject({ code: 0 });
  using folder = makeFolder();
  const broken = folder.write("inetd.toml", "[daemon\n");
  const { code, stderr } = await tinetd(["shutdown", "-c", broken], usual);
  expect(code).toBe(78);
  expect(stderr).toContain(`${broken}:1:`);
  expect(stderr).toContain("--control-socket");
  expect((await rig.status()).services).toMatchObject([{ name: "fixture" }]);
});
