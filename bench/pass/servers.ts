/** Who is measured in the pass benchmark. */
import { writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Entry } from "../contest.ts";
import { tinetdMain } from "../programs.ts";

/** The same answer by a resident process in two languages. */
export interface Workers {
  /** `c/pass-worker.c`, compiled. */
  c: string;
  /** `c/worker.c`, compiled, which has a socket of its own. */
  cAlone: string;
}

export type Language = "c" | "node";

const nodeWorker = fileURLToPath(new URL("worker.mjs", import.meta.url));

/** A worker that listens by itself: what nobody in between could be faster than. */
export function alone(workers: Workers, language: Language): Entry {
  return (port) =>
    language === "c"
      ? { file: workers.cAlone, args: ["0", `${port}`] }
      : { file: process.execPath, args: [nodeWorker, "0", `${port}`] };
}

/** tinetd, with one resident worker for all. */
export function passing(workers: Workers, language: Language, log: "all" | "none"): Entry {
  return (port, directory) => daemon(directory, [service("warm", port, workers, language, 0, log)]);
}

/** tinetd, with a service for every port, whose worker ends after one client. */
export function sleeping(workers: Workers, language: Language, ports: readonly number[]): Entry {
  return (port, directory) =>
    daemon(
      directory,
      [...ports, port].map((each, n) => service(`cold${n}`, each, workers, language, 1, "none")),
    );
}

function daemon(directory: string, services: readonly string[]): { file: string; args: string[] } {
  const conf = join(directory, "inetd.toml");
  const text = `[daemon]\ncontrol_socket = "${join(directory, "control.sock")}"\n${services.join("")}`;
  writeFileSync(conf, text, { mode: 0o644 });
  return { file: process.execPath, args: [tinetdMain, "run", "--config", conf] };
}

function service(
  name: string,
  port: number,
  { c }: Workers,
  language: Language,
  clients: number,
  log: "all" | "none",
): string {
  const command = language === "c" ? [c, `${clients}`] : [process.execPath, nodeWorker, `${clients}`];
  return `
[services.${name}]
listen   = "127.0.0.1:${port}"
handoff  = "pass"
protocol = "${language === "c" ? "seqpacket" : "node"}"
command  = ${JSON.stringify(command)}
log      = "${log}"
${userInfo().username === "root" ? 'user = "root"' : ""}
`;
}
