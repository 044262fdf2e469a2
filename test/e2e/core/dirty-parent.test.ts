/** A daemon that was started by a careless program passes nothing of it on. */
import { expect, test } from "vitest";
import { connect } from "../rig/client.ts";
import { askReport } from "../rig/report.ts";
import { startFixture } from "./tools.ts";

/** Ignores and blocks signals, leaves descriptors open, and lowers what it can. */
const carelessParent = [
  "env",
  "--ignore-signal=PIPE,CHLD,HUP,USR2",
  "--block-signal=TERM,CHLD,USR1,INT",
  "bash",
  "-c",
  'umask 0; cd /usr; ulimit -S -n 5000; exec 7</etc/passwd 8>/dev/null 63</etc/hostname; exec "$@"',
  "careless-parent",
];

const secrets = {
  SECRET: "hunter2",
  LD_LIBRARY_PATH: "/nowhere",
  PATH: `/tmp:${process.env.PATH}`,
  HOME: "/root",
  LISTEN_FDS: "1",
  LISTEN_PID: "1",
  LISTEN_FDNAMES: "x",
  WATCHDOG_USEC: "30000000",
};

test("a handler gets no descriptor, signal, mask, variable or limit of the daemon's parent", async () => {
  await using clean = await startFixture();
  await using dirty = await startFixture("", { launcher: carelessParent, environment: secrets });
  await using client = await connect(await dirty.port("fixture"));
  await using other = await connect(await clean.port("fixture"));
  const report = await askReport(client);
  const expected = await askReport(other);

  expect(report.descriptors.map(({ fd }) => fd)).toEqual([0, 1, 2]);
  expect(report.status).toEqual(expected.status);
  expect(report.umask).toBe(0o022);
  expect(report.workingDirectory).toBe("/");
  expect(report.limits).toEqual(expected.limits);
  const names = (entries: string[]) => entries.map((entry) => entry.slice(0, entry.indexOf("="))).sort();
  expect(names(report.environment)).toEqual(names(expected.environment));
  expect(report.environment).toContainEqual(expect.stringMatching(/^PATH=\/usr\/local\/sbin:/));
  expect(report.environment).not.toContain("HOME=/root");
});

test("such a daemon still learns of its handlers' ends, and of its own stop", async () => {
  await using rig = await startFixture("", { launcher: carelessParent });
  await using client = await connect(await rig.port("fixture"));
  client.write("exit 3\n");
  await client.rest();
  expect(await rig.event("handler.exited")).toMatchObject({ code: 3, signal: null });
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
});
