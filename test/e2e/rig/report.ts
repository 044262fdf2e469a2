/** What the fixture handler says about itself (fixtures/report.c is the other side). */
import type { Client } from "./client.ts";

export interface Limit {
  soft: number;
  hard: number;
}

export interface HandlerReport {
  pid: number;
  parent: number;
  group: number;
  session: number;
  /** Whether it has a controlling terminal. */
  terminal: boolean;
  /** Real, effective, saved. */
  uids: [number, number, number];
  gids: [number, number, number];
  groups: number[];
  descriptors: { fd: number; flags: number; closeOnExec: boolean; target: string }[];
  /** -1 is RLIM_INFINITY. */
  limits: Record<"nofile" | "nproc" | "core" | "cpu" | "as" | "data" | "stack" | "fsize" | "memlock", Limit>;
  /** Lines of /proc/self/status as they stand there: the masks in hexadecimal. */
  status: Record<
    "CapInh" | "CapPrm" | "CapEff" | "CapBnd" | "CapAmb" | "NoNewPrivs" | "SigBlk" | "SigIgn" | "SigCgt",
    string
  >;
  umask: number;
  workingDirectory: string;
  nice: number;
  oomScoreAdjust: string;
  cgroup: string;
  /** argv, with argv[0]. */
  arguments: string[];
  /** `NAME=value`, in the order they stand in the environment. */
  environment: string[];
}

/** Asks the fixture handler at the other end for its report. */
export async function askReport(client: Client): Promise<HandlerReport> {
  return JSON.parse(await client.command("report")) as HandlerReport;
}
