/** Small C programs for the tests, for what neither a shell nor Node can be made to do. */
import { spawnSync } from "node:child_process";

/** Compiles `fixtures/NAME.c` to `target`. The compiler is there: it has built the addon. */
export function compileFixture(name: string, target: string, options: readonly string[] = []): void {
  const source = new URL(`fixtures/${name}.c`, import.meta.url).pathname;
  const compiler = spawnSync("cc", ["-O", ...options, "-o", target, source], { encoding: "utf8" });
  if (compiler.status !== 0) throw new Error(`cannot compile ${name}.c: ${compiler.stderr}`);
}
