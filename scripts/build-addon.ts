/**
 * Builds the addon when it is missing or older than its sources: `npm run build:addon`, also before start and test;
 * `--force` builds in any case. Run by plain node through tsx. Node's own headers serve where they are installed beside
 * it, so that nothing is fetched; elsewhere node-gyp fetches them. Says nothing unless it fails.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const sources = join(root, "src/native");
const addon = join(root, "build/tinetd.node");

if (process.argv.includes("--force") || !upToDate()) build();

function upToDate(): boolean {
  if (!existsSync(addon)) return false;
  const built = statSync(addon).mtimeMs;
  const files = [
    join(sources, "binding.gyp"),
    ...readdirSync(join(sources, "c")).map((f) => join(sources, "c", f)),
  ];
  return files.every((file) => statSync(file).mtimeMs <= built);
}

function build(): void {
  const nodeGyp = createRequire(import.meta.url).resolve("node-gyp/bin/node-gyp.js");
  const prefix = dirname(dirname(process.execPath));
  const nodedir = existsSync(join(prefix, "include/node/node_api.h")) ? [`--nodedir=${prefix}`] : [];
  const arguments_ = [nodeGyp, "rebuild", "--jobs=max", `--directory=${sources}`, ...nodedir];
  const result = spawnSync(process.execPath, arguments_, { encoding: "utf8", cwd: root });
  if (result.status !== 0) {
    console.error(`${result.stdout}${result.stderr}`);
    console.error(
      "cannot build the addon: a C compiler, make and python3 are needed (Debian: build-essential python3)",
    );
    process.exit(1);
  }
  // Renamed into place: a daemon that runs from this checkout keeps the file that it has mapped.
  mkdirSync(dirname(addon), { recursive: true });
  copyFileSync(join(sources, "build/Release/tinetd.node"), `${addon}.new`);
  renameSync(`${addon}.new`, addon);
}
