/** Users and groups, as this system knows them. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { expectNoLeaks } from "./leaks.ts";
import { sys } from "./support.ts";

const passwd = entries("/etc/passwd");
const group = entries("/etc/group");

// NSS keeps descriptors of its own (to a name service daemon, where there is one) from the first lookup on.
sys.lookupUser("root");
expectNoLeaks();

function entries(file: string): string[][] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

test("every user of /etc/passwd, by name and by uid", () => {
  expect(passwd.length).toBeGreaterThan(3);
  for (const [name = "", , uid, gid, , home, shell] of passwd) {
    const user = { name, uid: Number(uid), gid: Number(gid), home, shell };
    expect(sys.lookupUser(name)).toEqual(user);
    expect(sys.lookupUser(Number(uid))).toMatchObject({ uid: user.uid });
  }
  expect(sys.lookupUser(0)?.name).toBe("root");
});

test("every group of /etc/group, by name and by gid", () => {
  for (const [name = "", , gid] of group) {
    expect(sys.lookupGroup(name)).toEqual({ name, gid: Number(gid) });
    expect(sys.lookupGroup(Number(gid))).toMatchObject({ gid: Number(gid) });
  }
});

test("null for those that there are not", () => {
  expect(sys.lookupUser("no such user")).toBeNull();
  expect(sys.lookupGroup("no such group")).toBeNull();
  expect(sys.lookupUser(987_654_321)).toBeNull();
  expect(sys.lookupGroup(987_654_321)).toBeNull();
  expect(sys.lookupUser("")).toBeNull();
  // A name made of digits is a name.
  expect(sys.lookupUser("0")).toBeNull();
});

test("the groups of a user are those that id(1) names, the primary one included", () => {
  for (const [name = "", , , gid] of passwd) {
    const known = spawnSync("id", ["-G", name], { encoding: "utf8" }).stdout.trim().split(" ").map(Number);
    expect(sys.groupList(name, Number(gid)).toSorted()).toEqual(known.toSorted());
  }
  expect(sys.groupList("no such user", 4242)).toEqual([4242]);
});

test("what is neither a name nor an id is refused", () => {
  for (const value of [-1, 1.5, null, undefined, {}, "a\0b"]) {
    expect(() => sys.lookupUser(value as unknown as string)).toThrow(TypeError);
    expect(() => sys.lookupGroup(value as unknown as string)).toThrow(TypeError);
  }
});
