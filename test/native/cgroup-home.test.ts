/** The place of our cgroups goes along when the daemon executes itself anew. */
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { openCgroupHome, resumeCgroupHome } from "../../src/process/cgroup-home.ts";
import { asRead, claim, newImage } from "./image.ts";
import { expectNoLeaks } from "./leaks.ts";
import { sys } from "./support.ts";

expectNoLeaks();

/** Of a daemon that begins, which removes what it finds without an owner. */
function beginAnother(): void {
  openCgroupHome(sys, process.ppid)?.close();
}

const first = openCgroupHome(sys, process.pid);
first?.close();

test.runIf(first !== null)("it is still ours, and no name in it is used twice", () => {
  const before = newImage();
  const home = openCgroupHome(before.sys, process.pid);
  if (home === null) throw new Error("it could be had a moment ago");
  const gone = home.create("test");
  home.remove(gone);
  const saved = asRead(home.save(before.carry));
  before.replace();
  beginAnother();
  expect(existsSync(saved.home)).toBe(true);

  const resumed = resumeCgroupHome(saved, claim);
  const directory = resumed.create("test");
  expect(directory).not.toBe(gone);
  expect(resumed.nameOf(directory)).toBe(home.nameOf(directory));
  resumed.remove(directory);
  resumed.close();
  expect(existsSync(saved.home)).toBe(false);
});
