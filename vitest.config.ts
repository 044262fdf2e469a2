import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/**
 * Four projects, by what a test needs: `unit` no process, socket, timer or root; `native` the addon alone;
 * `e2e` the built daemon with real clients; `compat` programs of the distribution under tinetd.
 */
const project = (name: string, testTimeout: number) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout,
    hookTimeout: testTimeout,
    pool: "forks" as const,
  },
});

export default defineConfig({
  test: {
    reporters: ["default"],
    // Two at least: most tests wait for processes more than they compute.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      project("unit", 5_000),
      project("native", 20_000),
      project("e2e", 60_000),
      project("compat", 120_000),
    ],
  },
});
