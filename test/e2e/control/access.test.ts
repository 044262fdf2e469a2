/** Who may call: root, the daemon's user, `control_group`, and `status_group` to read. */
import { lstatSync } from "node:fs";
import { expect, test } from "vitest";
import { startDaemon } from "../rig/daemon.ts";
import { asRoot, needs, program } from "../rig/needs.ts";
import { callAs } from "./tools.ts";

const stranger = { uid: 12_345, gid: 12_345 };

function startWithGroups(keys: string) {
  return startDaemon(`[daemon]\n${keys}\n[services.cat]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n`);
}

needs(
  asRoot,
  program("setpriv"),
  program("curl"),
)("members of the groups, and nobody else", async () => {
  await using rig = await startWithGroups('control_group = "staff"\nstatus_group = "adm"');
  const pause = "/v1/services/cat/pause";
  const member = (gid: number) => ({ ...stranger, groups: `${gid}` });
  // Debian's own: adm is 4, staff is 50.
  expect(await callAs(rig, stranger, "GET", "/v1/status")).toBe(0);
  expect(await callAs(rig, member(4), "GET", "/v1/status")).toBe(200);
  expect(await callAs(rig, member(4), "POST", pause)).toBe(403);
  expect(await callAs(rig, { ...stranger, gid: 4 }, "GET", "/v1/config")).toBe(200);
  expect((await rig.status()).services).toMatchObject([{ state: "listening" }]);
  expect(await callAs(rig, member(50), "POST", pause)).toBe(200);
  expect((await rig.status()).services).toMatchObject([{ state: "paused" }]);
});

needs(
  asRoot,
  program("setpriv"),
  program("curl"),
)("one group has the node, others cannot connect", async () => {
  await using rig = await startWithGroups('status_group = "adm"');
  const { mode, gid } = lstatSync(rig.controlSocket);
  expect({ mode: mode & 0o777, gid }).toEqual({ mode: 0o660, gid: 4 });
  expect(await callAs(rig, { ...stranger, groups: "4" }, "GET", "/v1/status")).toBe(200);
  expect(await callAs(rig, stranger, "GET", "/v1/status")).toBe(0);
});

test("a group that is not there keeps the daemon from starting, and is named", async () => {
  await expect(startWithGroups('control_group = "nonesuch"')).rejects.toThrow('there is no group "nonesuch"');
});
