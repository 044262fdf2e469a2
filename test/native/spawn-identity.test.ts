/** Who a handler is: user, groups, capabilities and root directory. Needs root. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileFixture } from "./compile.ts";
import { expectNoLeaks } from "./leaks.ts";
import { isRoot, nobody, node, output, plan, run, sys } from "./support.ts";

expectNoLeaks();

const { CAP_NET_BIND_SERVICE = -1, CAP_SYS_NICE = -1, CAP_CHECKPOINT_RESTORE = -1 } = sys.constants;
const somebody = { uid: nobody, gid: 65533, groups: [65533, 1, 2] };
const identity = "grep -E '^(Uid|Gid|Groups|Cap.*):' /proc/self/status";

describe.skipIf(!isRoot)("as root", () => {
  test("real, effective, saved and file system ids and the groups are the plan's", async () => {
    const status = await output(identity, { credentials: somebody });
    expect(fields(status, "Uid")).toEqual(Array(4).fill(String(nobody)));
    expect(fields(status, "Gid")).toEqual(Array(4).fill("65533"));
    expect(fields(status, "Groups").toSorted()).toEqual(["1", "2", "65533"]);
  });

  test("no groups means none, not ours", async () => {
    expect(await output("id -G", { credentials: { ...somebody, groups: [] } })).toBe("65533");
  });

  test("ours stay as they are, in every thread", async () => {
    const ours = () => readFileSync("/proc/self/status", "utf8").match(/^(Uid|Gid|Groups|Cap.*):.*$/gm);
    const before = ours();
    await run(plan({ credentials: somebody, capabilities: [CAP_SYS_NICE] }));
    expect(ours()).toEqual(before);
    const threads = readdirSync("/proc/self/task").map((id) =>
      readFileSync(`/proc/self/task/${id}/status`, "utf8"),
    );
    expect(threads.length).toBeGreaterThan(1);
    for (const thread of threads) expect(fields(thread, "Uid")).toEqual(["0", "0", "0", "0"]);
  });

  test("a change of user drops all capabilities", async () => {
    const status = await output(identity, { credentials: somebody });
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"]) expect(capabilities(status, set)).toEqual([]);
  });

  test("the listed capabilities, and only those, pass to the new user's program", async () => {
    const listed = [CAP_NET_BIND_SERVICE, CAP_SYS_NICE, CAP_CHECKPOINT_RESTORE];
    const status = await output(identity, { credentials: somebody, capabilities: listed });
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"])
      expect(capabilities(status, set)).toEqual(listed);
    expect(fields(status, "CapBnd")).toEqual(fields(readFileSync("/proc/self/status", "utf8"), "CapBnd"));
    // They serve: only CAP_SYS_NICE lets a user raise a priority.
    expect(await output("nice -n -5 nice", { credentials: somebody, capabilities: listed })).toBe("-5");
  });

  test("an ambient capability survives no_new_privs, and the next program", async () => {
    const script = "sh -c 'grep CapAmb /proc/self/status'";
    const status = await output(script, {
      credentials: somebody,
      capabilities: [CAP_NET_BIND_SERVICE],
      noNewPrivileges: true,
    });
    expect(capabilities(status, "CapAmb")).toEqual([CAP_NET_BIND_SERVICE]);
  });

  test("a priority that needs privileges is set before the change of user", async () => {
    expect(await output("nice", { credentials: somebody, nice: -3 })).toBe("-3");
  });

  test("a change of user leaves our memory as dumpable as it was", async () => {
    const { CAP_SETUID = -1, CAP_SETGID = -1, CAP_DAC_READ_SEARCH = -1 } = sys.constants;
    // Seen from a daemon that is not root: the files of a process that is not dumpable are root's.
    const daemon = node(
      `
      const { statSync } = require("node:fs");
      const owner = () => statSync("/proc/self/environ").uid;
      const before = owner();
      sys.spawn(sys.prepare(${JSON.stringify(plan({ credentials: { uid: 65532, gid: 65532, groups: [] } }))}), [], []);
      console.log(before, owner());
      `,
      { credentials: somebody, capabilities: [CAP_SETUID, CAP_SETGID, CAP_DAC_READ_SEARCH] },
    );
    expect((await run(daemon)).output).toBe(`${nobody} ${nobody}\n`);
  });

  test("-1 is no id: to setresuid it would mean to stay root", () => {
    for (const id of [-1, 2 ** 32 - 1, 1.5, Number.NaN]) {
      expect(() => sys.prepare(plan({ credentials: { uid: id, gid: 1, groups: [] } }))).toThrow(TypeError);
      expect(() => sys.prepare(plan({ credentials: { uid: 1, gid: id, groups: [] } }))).toThrow(TypeError);
    }
  });

  describe("root directory", () => {
    let root = "";

    beforeAll(() => {
      root = mkdtempSync(join(tmpdir(), "tinetd-test-"));
      chmodSync(root, 0o755);
      mkdirSync(join(root, "inner"));
      compileFixture("inside", join(root, "program"), ["-static"]);
    });
    afterAll(() => {
      rmSync(root, { recursive: true });
    });

    test("is where file and working directory are", async () => {
      const inside = plan({
        file: "/program",
        argv: ["program"],
        rootDirectory: root,
        workingDirectory: "/inner",
        credentials: somebody,
      });
      const [directory, uid, ...entries] = (await run(inside)).output.trim().split(" ");
      expect([directory, uid, entries.toSorted()]).toEqual(["/inner", String(nobody), ["inner", "program"]]);
    });

    test("cannot be left through a working directory that is still outside", async () => {
      const relative = plan({ file: "/program", rootDirectory: root, workingDirectory: "." });
      expect((await run(relative)).output).toMatch(/^\/ 0 /);
    });
  });
});

function fields(status: string, name: string): string[] {
  const line = status.split("\n").find((candidate) => candidate.startsWith(`${name}:`));
  return line?.split(/\s+/).slice(1).filter(Boolean) ?? [];
}

function capabilities(status: string, set: string): number[] {
  const bits = BigInt(`0x${fields(status, set)[0]}`);
  return Array.from({ length: 64 }, (_, number) => number).filter((number) => (bits >> BigInt(number)) & 1n);
}
