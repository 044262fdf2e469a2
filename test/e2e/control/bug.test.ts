/** A request that meets a bug: the caller is told, the bug is reported, the next one is answered. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Backend } from "../../../src/control/routes.ts";
import { serveControl } from "../../../src/control/server.ts";
import { loadSys } from "../../../src/native/sys.ts";
import { openListener } from "../../../src/net/listen.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { getJson } from "../rig/control.ts";

test("a request that throws is answered, and reported as a bug", async () => {
  const sys = loadSys();
  const directory = mkdtempSync(join(tmpdir(), "tinetd-test-"));
  const path = join(directory, "control.sock");
  const bound = await openListener(sys, {
    endpoint: { kind: "unix", path },
    options: { name: "control", backlog: 8 },
  });
  const [listener] = bound.ok ? bound.value : [];
  if (listener === undefined) throw new Error(JSON.stringify(bound));
  const reported: unknown[] = [];
  const backend = {
    handlers: () => {
      throw new TypeError("what nobody has thought of");
    },
    connections: () => [],
  } as unknown as Backend;
  const server = serveControl(
    {
      sys,
      clock: systemClock,
      backend,
      bug: (error) => void reported.push(error),
      lend: (action) => action(),
      roleOf: () => "read",
      limits: { count: 4, requestMs: 5_000, answerMs: null },
    },
    listener,
  );
  try {
    await expect(getJson(path, "/v1/handlers")).rejects.toThrow(
      /500 .*a bug of tinetd.*nobody has thought of/,
    );
    expect(reported).toEqual([new TypeError("what nobody has thought of")]);
    expect(await getJson(path, "/v1/connections")).toEqual([]);
  } finally {
    await server.close();
    rmSync(directory, { recursive: true });
  }
});
