/**
 * The stages `group` and `user`, which fail for a root that may change its groups only in a user namespace
 * (user_namespaces(7)) where the ids wanted are not mapped.
 */
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { expectNoLeaks } from "./leaks.ts";
import { closeAll, ended, isRoot, node, plan, readAll, ready, sys } from "./support.ts";

expectNoLeaks();

const credentials = [
  { uid: 0, gid: 7, groups: [] },
  { uid: 7, gid: 0, groups: [] },
  { uid: 0, gid: 0, groups: [7] },
  { uid: 0, gid: 0, groups: [] },
];

const reporter = node(`
  const results = ${JSON.stringify(credentials.map((who) => plan({ credentials: who })))}.map((plan) => {
    try {
      return sys.spawn(sys.prepare(plan), [], []).pid > 0;
    } catch (error) {
      return [error.stage, error.code];
    }
  });
  console.log(JSON.stringify(results));
`);

test.skipIf(!isRoot)("an id that this user namespace does not have", async ({ skip }) => {
  const [goRead, goWrite] = sys.pipe();
  const [output, input] = sys.pipe();
  // The shell waits until the namespace has its map, since it is the next execve that makes it root in there.
  const script = 'echo unshared; read go; exec "$0" "$@"';
  const argv = ["unshare", "--user", "sh", "-c", script, process.execPath, ...reporter.argv.slice(1)];
  const child = sys.spawn(sys.prepare(plan({ file: "/usr/bin/unshare", argv })), [goRead, input, input], []);
  closeAll(goRead, input);
  await ready(output);
  const unshared = sys.read(output, Buffer.alloc(100)) === "unshared\n".length;
  if (unshared) {
    writeFileSync(`/proc/${child.pid}/uid_map`, "0 0 1");
    writeFileSync(`/proc/${child.pid}/gid_map`, "0 0 1");
  }
  sys.write(goWrite, Buffer.from("\n"));
  const results = await readAll(output);
  await ended(child);
  closeAll(goWrite, output);
  if (!unshared) return skip("user namespaces are not allowed here");
  expect(JSON.parse(results)).toEqual([["group", "EINVAL"], ["user", "EINVAL"], ["groups", "EINVAL"], true]);
});
