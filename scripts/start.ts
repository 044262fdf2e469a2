/**
 * `npm start`: runs conf/inetd.toml from this checkout and, once it is ready, says what to type next. As root the same
 * services run as nobody, because tinetd starts nothing as root that does not say so.
 */
import { spawn } from "node:child_process";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const isRoot = process.getuid?.() === 0;
const config = join(root, "conf", isRoot ? "try-as-root.toml" : "inetd.toml");
const main = join(root, "dist/main.js");

const daemon = spawn(
  process.execPath,
  [main, "run", "--config", config, "--log-format", "pretty", "--ready-fd", "3"],
  {
    stdio: ["inherit", "inherit", "inherit", "pipe"],
  },
);

daemon.stdio[3]?.once("data", () => {
  console.log(`
tinetd is running with ${config}. In another terminal, try:

  echo hello | nc -N 127.0.0.1 7007       sends back what it gets
  curl -s telnet://127.0.0.1:7013          the time (or: nc 127.0.0.1 7013)
  npx tinetd status -c ${config}

Ctrl-C stops it.
`);
});

// The terminal sends Ctrl-C to both of us; what others send to us is passed on.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => daemon.kill("SIGTERM"));
daemon.on("exit", (code, signal) => {
  process.exitCode = code ?? (signal === null ? 0 : 1);
});
