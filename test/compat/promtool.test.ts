/** What Prometheus' own checker says of /metrics. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "vitest";
import { scrape } from "../e2e/control/scrape.ts";
import { startFixture } from "../e2e/core/tools.ts";
import { connect, readAll } from "../e2e/rig/client.ts";
import { repository } from "../e2e/rig/fixtures.ts";
import { needs, program } from "../e2e/rig/needs.ts";

/** Only unpacked, for its package installs a daemon (scripts/test-packages.txt). */
const promtool = join(repository, "build/peers/prometheus/usr/bin/promtool");

needs(program(promtool))(
  "promtool finds nothing to say against the metrics of a service in use",
  async () => {
    await using rig = await startFixture('max_instances = 1\non_limit = "refuse"');
    const port = await rig.port("fixture");
    {
      await using client = await connect(port);
      await client.command("echo here");
      await readAll(port);
      client.end();
      await client.rest();
    }
    await rig.event("connection.closed");
    const { text: metrics } = await scrape(rig);
    expect(metrics).toContain('tinetd_service_refused_total{service="fixture",reason="limit"} 1');
    expect(metrics).toContain("tinetd_service_handler_duration_seconds_bucket");
    expect(await check(metrics)).toEqual({ code: 0, said: "" });
    // It does look.
    expect((await check(metrics.replace(/^# HELP tinetd_max.*\n/m, ""))).said).toContain("no help text");
  },
);

async function check(metrics: string): Promise<{ code: number | null; said: string }> {
  const child = spawn(promtool, ["check", "metrics"], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end(metrics);
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ]);
  return { code, said: output + errors };
}
