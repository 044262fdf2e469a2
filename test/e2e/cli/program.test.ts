/** What holds for every command: help, usage errors, exit codes, output that goes nowhere. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { repository } from "../rig/fixtures.ts";
import { main, makeFolder, tinetd } from "./tinetd.ts";

test("the help names every command, and each has a help of its own", async () => {
  const commands = listCommands();
  expect(commands).toEqual(
    expect.arrayContaining(["run", "serve", "check", "show", "status", "init", "schema"]),
  );
  for (const command of commands.filter((each) => each !== "help")) {
    const { code, stdout, stderr } = await tinetd([command, "--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(new RegExp(`^Usage: tinetd ${command}\\b`));
    expect(stdout).toContain("--help");
  }
});

test("--version is that of the package", async () => {
  const { version } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));
  expect(await tinetd(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

describe("wrong usage exits with 2 and names what is wrong, and the nearest that is right", () => {
  test.each([
    [["statsu"], "tinetd: unknown command 'statsu'\n(Did you mean status?)\n"],
    [["status", "--jsn"], "tinetd: unknown option '--jsn'\n(Did you mean --json?)\n"],
    [["check", "too", "much"], /^tinetd: too many arguments.*\n$/],
    [["run", "--log-level", "loud"], /^tinetd: option '--log-level <level>' argument 'loud' is invalid.*\n$/],
    [["run", "--config"], /^tinetd: option '-c, --config <file>' argument missing\n$/],
    [["serve"], /^tinetd: serve: expected an address, such as 7000\n$/],
  ])("%j", async (args, message) => {
    const { code, stdout, stderr } = await tinetd(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    if (typeof message === "string") expect(stderr).toBe(message);
    else expect(stderr).toMatch(message);
  });

  test("no command at all prints the help", async () => {
    const { code, stderr } = await tinetd([]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^Usage: tinetd /);
  });
});

describe("without a daemon or a configuration", () => {
  test("status exits with 3 and names the socket", async () => {
    using folder = makeFolder();
    const environment = { RUNTIME_DIRECTORY: folder.path };
    expect(await tinetd(["status"], { environment })).toEqual({
      code: 3,
      stdout: "",
      stderr: `tinetd: no daemon answers on ${folder.path}/control.sock\n`,
    });
  });

  test("the socket of the configuration is asked, or the one that is named", async () => {
    using folder = makeFolder();
    const socket = `${folder.path}/other.sock`;
    const config = folder.write("inetd.toml", `[daemon]\ncontrol_socket = "${socket}"\n`);
    const absent = { code: 3, stdout: "", stderr: `tinetd: no daemon answers on ${socket}\n` };
    expect(await tinetd(["status", "-c", config])).toEqual(absent);
    expect(await tinetd(["status"], { environment: { TINETD_CONFIG: config } })).toEqual(absent);
    const named = await tinetd(["status", "-c", config, "--control-socket", "/nonexistent/x"]);
    expect(named.stderr).toBe("tinetd: no daemon answers on /nonexistent/x\n");
  });

  test.each(["run", "check", "show"])("%s says where it looked, and exits with 78", async (command) => {
    const { code, stderr } = await tinetd([command]);
    expect(code).toBe(78);
    expect(stderr).toMatch(
      /^tinetd: no configuration: neither --config nor \$TINETD_CONFIG is given, and .*\n$/,
    );
  });
});

describe("output", () => {
  test("a reader that goes away is no failure", () => {
    const script = `${process.execPath} ${main} schema | head -c 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
    expect({ stdout, stderr }).toEqual({ stdout: "{0\n", stderr: "" });
  });

  test("a full disk is one, told in one line", () => {
    const script = `${process.execPath} ${main} schema >/dev/full`;
    const { status, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 1, stderr: "tinetd: cannot write: ENOSPC\n" });
  });
});

/** As the help lists them. */
function listCommands(): string[] {
  const help = execFileSync(process.execPath, [main, "--help"], { encoding: "utf8" });
  const list = help.slice(help.indexOf("Commands:"));
  return [...list.matchAll(/^ {2}([a-z]+)/gm)].flatMap(([, name]) => (name === undefined ? [] : [name]));
}
