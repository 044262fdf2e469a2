/**
 * What a handler is given, by every handoff, from a daemon that was started by a careless program: everything that is
 * promised, and nothing of the daemon's own or of its parent's.
 */
import { constants, readlinkSync } from "node:fs";
import { describe, expect } from "vitest";
import { connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { needs, program } from "../rig/needs.ts";
import { askReport, type HandlerReport } from "../rig/report.ts";
import type { Rig } from "../rig/rig.ts";
import { udpPeer } from "../udp/peers.ts";
import { carelessParent, secrets, standings } from "./daemons.ts";

/** What stands at a number of the handler's. */
type Place = "connection" | "listener" | "channel" | "nothing" | "stderr";

interface Way {
  name: string;
  keys: string;
  program: "handler" | "acceptor";
  /** What each descriptor is, from 0 on. */
  places: readonly Place[];
  /** Names of the variables that the handoff adds. */
  variables: readonly string[];
}

const ofTcp = ["PROTO", "TCPREMOTEIP", "TCPREMOTEPORT", "TCPLOCALIP", "TCPLOCALPORT"];
const ofPeer = ["REMOTE_ADDR", "REMOTE_PORT", "REMOTE_HOST", "TINETD_CONNECTION"];
const ofListen = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"];

const ways: readonly Way[] = [
  {
    name: "stdio",
    keys: 'listen = "127.0.0.1:0"',
    program: "handler",
    places: ["connection", "connection", "stderr"],
    variables: [...ofTcp, ...ofPeer],
  },
  {
    name: "stdio with connection_fd = 3",
    keys: 'listen = "127.0.0.1:0"\nconnection_fd = 3',
    program: "handler",
    places: ["nothing", "stderr", "stderr", "connection"],
    variables: [...ofTcp, ...ofPeer, ...ofListen],
  },
  {
    name: "stdio on UDP",
    keys: 'listen = "udp://127.0.0.1:0"',
    program: "handler",
    places: ["connection", "connection", "stderr"],
    variables: ["PROTO", "UDPREMOTEIP", "UDPREMOTEPORT", "UDPLOCALIP", "UDPLOCALPORT", ...ofPeer],
  },
  {
    name: "wait",
    keys: 'listen = "127.0.0.1:0"\nhandoff = "wait"',
    program: "acceptor",
    places: ["listener", "listener", "stderr"],
    variables: [],
  },
  {
    name: "listen",
    keys: 'listen = ["127.0.0.1:0", "127.0.0.1:0"]\nhandoff = "listen"',
    program: "acceptor",
    places: ["nothing", "stderr", "stderr", "listener", "listener"],
    variables: ofListen,
  },
  {
    name: "pass",
    keys: 'listen = "127.0.0.1:0"\nhandoff = "pass"',
    program: "acceptor",
    places: ["nothing", "stderr", "stderr", "channel"],
    variables: ["TINETD_CHANNEL"],
  },
];

const common = ["PATH", "TINETD_SERVICE", "USER", "HOME", "LOGNAME", "SHELL"];

/** No signal, or no capability. */
const none = "0000000000000000";

describe.each(standings)("from a daemon of $name", (standing) => {
  const possible = needs(...standing.needs, program("python3"));
  for (const way of ways) {
    possible(way.name, async () => {
      await using rig = await startDaemon(
        ({ fixture }) => `[services.it]\ncommand = "${fixture(way.program)}"\n${way.keys}`,
        { launcher: [...carelessParent, ...standing.launcher], environment: secrets },
      );
      const report = way.name.includes("UDP") ? await reportByUdp(rig) : await reportByTcp(rig);
      const { pid } = await rig.event("handler.started");

      expectDescriptors(report, way.places, rig);
      expect(report).toMatchObject({ pid, session: pid, group: pid, parent: rig.pid, terminal: false });
      expect(report.status).toMatchObject({ SigBlk: none, SigIgn: none, SigCgt: none, NoNewPrivs: "1" });
      expect(report.status).toMatchObject({ CapInh: none, CapPrm: none, CapEff: none, CapAmb: none });
      expect(report).toMatchObject({ umask: 0o022, workingDirectory: "/" });
      expect(report.limits.nofile.soft).toBe(1024);
      expect(report.environment.map(nameOf).sort()).toEqual([...common, ...way.variables].sort());
      expect(report.environment.filter((entry) => Object.entries(secrets).some(isEntry(entry)))).toEqual([]);
      if (standing.name !== "root") return; // Only root can give back what the parent took.
      expect(report).toMatchObject({ nice: 0, oomScoreAdjust: "0" });
    });
  }
});

async function reportByTcp(rig: Rig): Promise<HandlerReport> {
  await using client = await connect(await rig.port("it"));
  return await askReport(client);
}

async function reportByUdp(rig: Rig): Promise<HandlerReport> {
  await using peer = await udpPeer();
  return JSON.parse((await peer.ask(await rig.port("it"), "report\n")).text) as HandlerReport;
}

/** Beside those named only what the program has opened itself, which it closes at an exec. */
function expectDescriptors({ descriptors }: HandlerReport, places: readonly Place[], rig: Rig): void {
  const socket = expect.stringMatching(/^socket:/);
  const targets = {
    nothing: "/dev/null",
    stderr: readlinkSync(`/proc/${rig.pid}/fd/2`),
    connection: socket,
    listener: socket,
    channel: socket,
  };
  const given = descriptors.filter(({ closeOnExec }) => !closeOnExec);
  expect(given.map(({ fd, target }) => [fd, target])).toEqual(
    places.map((place, fd) => [fd, targets[place]]),
  );
  expect(given.filter(({ flags }) => (flags & constants.O_NONBLOCK) !== 0)).toEqual([]);
}

function nameOf(entry: string): string {
  return entry.slice(0, entry.indexOf("="));
}

function isEntry(entry: string): (variable: [string, string]) => boolean {
  return ([name, value]) => entry === `${name}=${value}`;
}
