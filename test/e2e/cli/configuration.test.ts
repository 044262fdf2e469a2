/** `check`, `show`, `schema` and `init`: what they print can be worked with. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { installFixture } from "../rig/fixtures.ts";
import { asRoot, needs } from "../rig/needs.ts";
import { asNobody, makeFolder, tinetd } from "./tinetd.ts";

const fine = `[services.echo]\nlisten = "127.0.0.1:7000"\ncommand = "cat"\n${asNobody}`;

describe("check", () => {
  test("says that all is well", async () => {
    using folder = makeFolder();
    const config = folder.write("inetd.toml", fine);
    expect(await tinetd(["check", "-c", config])).toEqual({
      code: 0,
      stdout: `${config}: ok, 1 service\n`,
      stderr: "",
    });
  });

  test("a relative path is one of the working directory, and $TINETD_CONFIG names a file too", async () => {
    using folder = makeFolder();
    const config = folder.write("inetd.toml", fine);
    const relative = await tinetd(["check", "-c", "inetd.toml"], { workingDirectory: folder.path });
    expect(relative).toMatchObject({ code: 0, stdout: `${config}: ok, 1 service\n` });
    const byVariable = await tinetd(["check"], { environment: { TINETD_CONFIG: config } });
    expect(byVariable).toMatchObject({ code: 0, stdout: `${config}: ok, 1 service\n` });
  });

  needs(asRoot)("errors of the machine: each with its position, and 78", async () => {
    using folder = makeFolder();
    const config = folder.write(
      "inetd.toml",
      `[services.echo]
listen = "127.0.0.1:0"
command = "tinetd-no-such-program"
user = "tinetd-no-user"
working_directory = "/tinetd-nowhere"
`,
    );
    const { code, stdout, stderr } = await tinetd(["check", "-c", config]);
    expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
    const [program, user, place, ...more] = stderr.trimEnd().split("\n");
    expect(program).toContain(`${config}:3:11: echo: "tinetd-no-such-program" is not in /usr/local/sbin:`);
    expect(user).toBe(`${config}:4:8: echo: there is no user "tinetd-no-user"`);
    expect(place).toBe(`${config}:5:21: echo: /tinetd-nowhere: no such file or directory`);
    expect(more).toEqual([]);
  });

  test("notes where somebody can be lost stand after the errors, and change nothing", async () => {
    using folder = makeFolder();
    const service = (name: string, listen: string) =>
      `[services.${name}]\nlisten = "${listen}"\nhandoff = "listen"\ncommand = "cat"\n${asNobody}`;
    const text = service("datagrams", "unix-dgram:/run/x") + service("abstract", "unix:@x");
    const config = folder.write("inetd.toml", text);
    const fine = await tinetd(["check", "-c", config]);
    expect(fine).toMatchObject({ code: 0, stdout: `${config}: ok, 2 services\n` });
    const notes = fine.stderr.split("\n");
    expect(notes).toEqual([
      expect.stringMatching(
        /:2:10: note: datagrams: when idle_timeout stops a worker, a datagram .* can be lost: /,
      ),
      expect.stringMatching(/: note: abstract: when idle_timeout stops a worker, a client .* can be lost: /),
      "",
    ]);
    for (const line of notes.slice(0, 2)) expect(line.startsWith(`${config}:`)).toBe(true);

    const broken = folder.write("broken.toml", text.replace('"cat"', '"/tinetd-nowhere"'));
    const { code, stdout, stderr } = await tinetd(["check", "-c", broken]);
    expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
    expect(stderr.split("\n")).toEqual([
      `${broken}:4:11: datagrams: /tinetd-nowhere: no such file or directory`,
      ...notes.map((line) => line.replace(config, broken)),
    ]);
  });

  needs(asRoot)("of TCP there is one where a right is missing", async () => {
    using folder = makeFolder();
    const config = folder.write(
      "inetd.toml",
      `[services.it]\nlisten = "127.0.0.1:0"\nhandoff = "listen"\ncommand = "cat"\n${asNobody}`,
    );
    expect(await tinetd(["check", "-c", config])).toMatchObject({ code: 0, stderr: "" });
    const launcher = [installFixture("without", folder.path), "filters"];
    expect(await tinetd(["check", "-c", config], { launcher })).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/:2:10: note: it: .* without CAP_NET_ADMIN /),
    });
  });

  needs(asRoot)("what root reads must be root's alone", async () => {
    using folder = makeFolder();
    const config = folder.write("inetd.toml", fine.replace(asNobody, ""));
    const { code, stderr } = await tinetd(["check", "-c", config]);
    expect(code).toBe(78);
    expect(stderr).toMatch(/does not say as whom to run, and the daemon is root; .*nobody/);
  });

  test("a file that is not TOML, a file that is not there, a directory", async () => {
    using folder = makeFolder();
    const broken = folder.write("broken.toml", 'ok = 1\n[services.echo\nlisten = "x"\n');
    const absent = join(folder.path, "absent.toml");
    const lines = await Promise.all(
      [broken, absent, folder.path].map(async (config) => {
        const { code, stderr } = await tinetd(["check", "-c", config]);
        expect(code).toBe(78);
        return stderr.split("\n")[0];
      }),
    );
    expect(lines[0]).toMatch(new RegExp(`^${broken}:2:\\d+: `));
    expect(lines[1]).toBe(`${absent}: cannot read ${absent}: no such file or directory`);
    expect(lines[2]).toMatch(new RegExp(`^${folder.path}: .*directory`));
  });
});

describe("show", () => {
  test("prints what can be read again, and comes to the same", async () => {
    using folder = makeFolder();
    folder.write("more.toml", fine);
    const config = folder.write("inetd.toml", 'include = ["more.toml"]\n[defaults]\nstop_timeout = "7s"\n');
    const { code, stdout } = await tinetd(["show", "-c", config]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^stop_timeout = "7s"$/m);
    const again = folder.write("again.toml", stdout);
    expect(await tinetd(["show", "-c", again])).toEqual({ code: 0, stdout, stderr: "" });
  });

  test("one service, as JSON", async () => {
    using folder = makeFolder();
    const config = folder.write(
      "inetd.toml",
      `${fine}\n${fine.replace("echo", "other").replace("7000", "7001")}`,
    );
    const { stdout } = await tinetd(["show", "other", "--json", "-c", config]);
    const shown = JSON.parse(stdout);
    expect(Object.keys(shown)).toEqual(["services"]);
    expect(shown.services).toEqual({ other: expect.objectContaining({ listen: ["tcp://127.0.0.1:7001"] }) });
    expect(await tinetd(["show", "othr", "-c", config])).toEqual({
      code: 1,
      stdout: "",
      stderr: 'tinetd: there is no service "othr"; did you mean "other"?\n',
    });
  });
});

test("schema prints the JSON Schema of the file", async () => {
  const { code, stdout } = await tinetd(["schema"]);
  expect(code).toBe(0);
  const schema = JSON.parse(stdout);
  expect(schema.$schema).toContain("json-schema.org");
  expect(Object.keys(schema.properties).sort()).toEqual(["daemon", "defaults", "include", "services"]);
});

describe("init", () => {
  test("writes a file that check finds well, and never over another", async () => {
    using folder = makeFolder();
    const here = { workingDirectory: folder.path };
    expect(await tinetd(["init"], here)).toMatchObject({ code: 0, stderr: "" });
    expect(await tinetd(["check", "-c", "inetd.toml"], here)).toMatchObject({ code: 0, stderr: "" });

    folder.write("inetd.toml", "# mine\n");
    const again = await tinetd(["init"], here);
    const path = join(folder.path, "inetd.toml");
    expect(again).toEqual({
      code: 1,
      stdout: "",
      stderr: `tinetd: ${path} is there already, and stays as it is\n`,
    });
    expect(readFileSync(path, "utf8")).toBe("# mine\n");
  });

  test("prints it where that is asked, and says where it cannot write", async () => {
    using folder = makeFolder();
    const here = { workingDirectory: folder.path };
    const printed = await tinetd(["init", "-o", "-"], here);
    expect(printed.code).toBe(0);
    expect(printed.stdout).toContain("[services.");
    expect(existsSync(join(folder.path, "inetd.toml"))).toBe(false);
    expect(await tinetd(["init", "-o", "no/such/folder.toml"], here)).toEqual({
      code: 1,
      stdout: "",
      stderr: `tinetd: cannot write ${folder.path}/no/such/folder.toml: ENOENT\n`,
    });
  });
});
