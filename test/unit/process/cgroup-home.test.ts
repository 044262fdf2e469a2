import { describe, expect, test } from "vitest";
import { findCgroup } from "../../../src/process/cgroup-home.ts";

const mount = (root: string, point: string, type = "cgroup2") =>
  `38 31 0:41 ${root} ${point} rw,nosuid,relatime shared:9 - ${type} cgroup2 rw,nsdelegate`;

describe("the directory of a cgroup", () => {
  test.each([
    ["the hierarchy alone", mount("/", "/sys/fs/cgroup"), "/system.slice/x", "/sys/fs/cgroup/system.slice/x"],
    ["its root", mount("/", "/sys/fs/cgroup"), "/", "/sys/fs/cgroup"],
    [
      "beside version 1",
      [mount("/", "/sys/fs/cgroup/memory", "cgroup"), mount("/", "/sys/fs/cgroup/unified")].join("\n"),
      "/x",
      "/sys/fs/cgroup/unified/x",
    ],
    ["mounted from our own cgroup on", mount("/a/b", "/mnt"), "/a/b/c", "/mnt/c"],
    ["mounted at exactly our own", mount("/a/b", "/mnt"), "/a/b", "/mnt"],
    ["at a path with a space", mount("/", "/mnt/c\\040groups"), "/x", "/mnt/c groups/x"],
    ["without optional fields", "38 31 0:41 / /mnt rw - cgroup2 none rw", "/x", "/mnt/x"],
  ])("%s", (_what, mountinfo, name, directory) => {
    expect(findCgroup(mountinfo, name)).toBe(directory);
  });

  test.each([
    ["not mounted", mount("/", "/sys/fs/cgroup", "cgroup"), "/x"],
    ["mounted from further down", mount("/a/b", "/mnt"), "/a"],
    ["mounted from a neighbour whose name is longer", mount("/a/bc", "/mnt"), "/a/b"],
    ["mounted from a neighbour whose name is shorter", mount("/a/b", "/mnt"), "/a/bc"],
    ["outside of our cgroup namespace", mount("/", "/mnt"), "/../x"],
  ])("none: %s", (_what, mountinfo, name) => {
    expect(findCgroup(mountinfo, name)).toBeNull();
  });
});
