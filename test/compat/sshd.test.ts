/**
 * OpenSSH: `sshd -i`.
 *
 * It wants the real socket (it asks for the peer's address), /run/sshd, and, for the session, process groups of its
 * own. Its exit status is 255 after a good session, and its log must not get into the connection.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { asRoot, needs, program } from "../e2e/rig/needs.ts";
import type { Rig } from "../e2e/rig/rig.ts";
import { documented } from "./documented.ts";
import { digestsOf, makeFiles } from "./files.ts";
import { type Outcome, run, succeed } from "./run.ts";
import { expectIdle, expectServed } from "./served.ts";

const possible = needs(asRoot, program("/usr/sbin/sshd"), program("ssh"), program("scp"));

possible("runs commands and copies files over ssh", async () => {
  await using rig = await startSshd();
  const idle = expectIdle(rig);
  const port = await rig.port("ssh");

  const hello = await ssh(rig, port, "echo hello; echo problem >&2; echo $SSH_CONNECTION");
  expect(hello.stdout.toString()).toMatch(
    new RegExp(`^hello\n127\\.0\\.0\\.1 \\d+ 127\\.0\\.0\\.1 ${port}\n$`),
  );
  expect(hello.stderr).toContain("problem");
  expect(hello.code).toBe(0);
  await expectServed(rig, "ssh", 1, idle);

  expect((await ssh(rig, port, "exit 7")).code).toBe(7);

  const [here, there, back] = [`${rig.directory}/here`, `${rig.directory}/there`, `${rig.directory}/back`];
  makeFiles(here);
  await succeed("scp", [...clientOptions(rig), "-P", `${port}`, "-r", here, `127.0.0.1:${there}`]);
  await succeed("scp", [...clientOptions(rig), "-P", `${port}`, "-r", `127.0.0.1:${there}`, back]);
  expect(digestsOf(back)).toEqual(digestsOf(here));
  await expectServed(rig, "ssh", 4, idle);
});

possible("serves several sessions at the same time", async () => {
  await using rig = await startSshd();
  const idle = expectIdle(rig);
  const port = await rig.port("ssh");
  const numbers = [1, 2, 3, 4, 5];
  const outcomes = await Promise.all(numbers.map((n) => ssh(rig, port, `echo session ${n}`)));
  expect(outcomes.map(({ stdout }) => stdout.toString())).toEqual(numbers.map((n) => `session ${n}\n`));
  await expectServed(rig, "ssh", numbers.length, idle);
});

/** An sshd with a configuration, a host key and an account's key of its own, all in the rig's directory. */
async function startSshd(): Promise<Rig> {
  const rig = await startDaemon(({ directory }) =>
    documented("ssh", { "*:22": "127.0.0.1:0", '"-i"': `"-i", "-f", "${directory}/sshd_config"` }),
  );
  const { directory } = rig;
  const config = {
    HostKey: `${directory}/host_key`,
    AuthorizedKeysFile: `${directory}/client_key.pub`,
    AuthenticationMethods: "publickey",
    PermitRootLogin: "prohibit-password",
    // The keys lie below /tmp.
    StrictModes: "no",
    UsePAM: "no",
    PidFile: "none",
    Subsystem: "sftp internal-sftp",
  };
  const lines = Object.entries(config).map(([name, value]) => `${name} ${value}\n`);
  writeFileSync(join(directory, "sshd_config"), lines.join(""));
  for (const name of ["host_key", "client_key"]) {
    await succeed("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(directory, name)]);
  }
  const hostKey = readFileSync(join(directory, "host_key.pub"), "utf8");
  writeFileSync(join(directory, "known_hosts"), `127.0.0.1 ${hostKey}`);
  return rig;
}

function ssh(rig: Rig, port: number, command: string): Promise<Outcome> {
  return run("ssh", [...clientOptions(rig), "-p", `${port}`, "127.0.0.1", command]);
}

/** Nothing of the account's own configuration, and no question. */
function clientOptions(rig: Rig): string[] {
  const options = {
    User: userInfo().username,
    IdentityFile: join(rig.directory, "client_key"),
    IdentitiesOnly: "yes",
    UserKnownHostsFile: join(rig.directory, "known_hosts"),
    StrictHostKeyChecking: "yes",
    // Else the key is looked up as that of a port which is another one each time.
    HostKeyAlias: "127.0.0.1",
    BatchMode: "yes",
    LogLevel: "ERROR",
  };
  return ["-F", "none", ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
}
