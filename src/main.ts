#!/usr/bin/env node
/** The bin: argv to a command, a failure to an exit code; nothing else. */

// Before anything is loaded: Node would open its inspector on SIGUSR1, which here means "open the log files again".
process.on("SIGUSR1", () => {});

const { readFileSync } = await import("node:fs");
const { isatty } = await import("node:tty");
const { fileURLToPath } = await import("node:url");
const { guarded } = await import("./cli/output.ts");
const { runProgram } = await import("./cli/program.ts");
const { takeCall } = await import("./daemon/upgrade/program.ts");
const { loadSys } = await import("./native/sys.ts");

const [, file = "", ...argv] = process.argv;
const { call, environment } = takeCall(process.env);

process.exitCode = await runProgram(argv, {
  environment,
  // Opened on first use only: opening changes flags of descriptors that are shared with others.
  get stdin() {
    return process.stdin;
  },
  get stdout() {
    return guarded(process.stdout);
  },
  get stderr() {
    return guarded(process.stderr);
  },
  stderrIsTerminal: isatty(2),
  workingDirectory: process.cwd(),
  program: { file, argv, main: fileURLToPath(import.meta.url) },
  upgrade: call,
  sys: loadSys,
  get version() {
    const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
    return (JSON.parse(manifest) as { version: string }).version;
  },
});
