/** Orphans: they come to the daemon, which reaps them, and never takes a handler's status for one of theirs. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { connect } from "../rig/client.ts";
import { type RigOptions, startDaemon } from "../rig/daemon.ts";
import type { Logged } from "../rig/event-log.ts";
import { asRoot, needs, program } from "../rig/needs.ts";
import { descendantsOf, eventually } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";

function start(options: RigOptions = {}): Promise<Rig> {
  return startDaemon(
    ({ fixture }) => `
[services.brood]
listen    = "127.0.0.1:0"
command   = "${fixture("brood")}"
kill_mode = "process"
`,
    options,
  );
}

/** One handler after the other, each of which leaves dead orphans behind; its status is the last that it says. */
async function leaveOrphans(
  port: number,
  connections: number,
  statusOf: (n: number) => number,
): Promise<void> {
  for (let n = 0; n < connections; n++) {
    await using client = await connect(port);
    await client.command("brief 3");
    client.write(`exit ${statusOf(n)}\n`);
    await client.rest();
  }
}

test("no handler's status is lost or mistaken among 1,500 orphans that end meanwhile", async () => {
  await using rig = await start();
  const port = await rig.port("brood");
  const [clients, each] = [10, 50];
  const statusOf = (n: number) => n % 90;
  await Promise.all(Array.from({ length: clients }, () => leaveOrphans(port, each, statusOf)));

  const statuses = new Map<number | null, number>();
  let last: Logged<"handler.exited"> | undefined;
  for (let n = 0; n < clients * each; n++) {
    last = await rig.event("handler.exited", {}, last === undefined ? {} : { after: last });
    statuses.set(last.code, (statuses.get(last.code) ?? 0) + 1);
  }
  expect(statuses).toEqual(new Map(Array.from({ length: each }, (_, n) => [statusOf(n), clients])));
  await eventually("no zombie is left", () => rig.descendants().length === 0);
  expect(rig.otherLines).toEqual([]);
});

test("an orphan that ends while nothing else happens is reaped", async () => {
  await using rig = await start();
  await using client = await connect(await rig.port("brood"));
  const orphan = Number(await client.command("daemon"));
  const parent = () => readFileSync(`/proc/${orphan}/stat`, "utf8").split(" ")[3];
  expect(parent()).toBe(`${rig.pid}`);
  process.kill(orphan, "SIGKILL");
  await eventually("it is reaped", () => !rig.descendants().includes(orphan));
  expect(await client.command("brief 1")).toBe("done");
});

/**
 * Runs what follows as PID 1 of a pid namespace. What starts it lets go of the descriptor on which it says that it is
 * ready, passes SIGTERM on to it, and ends as it does.
 */
const asFirst = `
sh -c 'mount -t proc proc /proc && exec "$@"' sh "$@" &
daemon=$!
exec 3>&-
trap 'kill -TERM $daemon' TERM
wait $daemon; status=$?
[ $status -le 128 ] || { wait $daemon; status=$?; }
exit $status`;

needs(asRoot, program("unshare"))("as PID 1 of a container it does the same", async () => {
  await using rig = await start({ launcher: ["unshare", "--mount", "--pid", "sh", "-c", asFirst, "sh"] });
  const [daemon = 0] = descendantsOf(rig.pid);
  const port = await rig.port("brood");
  expect((await rig.event("daemon.ready")).pid).toBe(1);
  await leaveOrphans(port, 20, (n) => n);
  // Somebody else's orphan: of a program that was started in the container, but not by the daemon.
  const container = ["--target", `${daemon}`, "--pid", "--mount"];
  execFileSync("nsenter", [...container, "sh", "-c", "sh -c 'read line & : '; exit 0"]);
  await eventually("no zombie is left", () => descendantsOf(daemon).length === 0);
  await rig.event("handler.exited", { code: 19 });
  const codes = rig.events.flatMap((event) => (event.event === "handler.exited" ? [event.code] : []));
  expect(codes).toEqual(Array.from({ length: 20 }, (_, n) => n));
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
});
