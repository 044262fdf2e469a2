/** Nothing wakes a daemon for which nothing happens: neither before its services were used nor after. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { contextSwitches } from "../../../src/process/activity.ts";
import { scrape } from "../control/scrape.ts";
import { ask } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";

/** No timer that runs again and again may be longer than this and go unnoticed. */
const windowMs = 3_000;

/** V8 cleans up for a last time some seconds after the last work, and may be slow on a machine that is busy. */
const mostWindows = 12;

test("a daemon with a hundred services sleeps until somebody comes, and sleeps again when all have gone", async () => {
  const handoffs = ["stdio", "wait", "listen", "pass"];
  await using rig = await startDaemon(({ fixture }) => {
    const handler = fixture("handler");
    const services = Array.from({ length: 100 }, (_, n) => {
      const handoff = handoffs[n % handoffs.length];
      return `[services.s${n}]\nlisten = "127.0.0.1:0"\nhandoff = "${handoff}"\ncommand = "${handler}"\n`;
    });
    return `[daemon]\nhttp = "127.0.0.1:0"\n${services.join("")}`;
  });
  await sleeps(rig.pid);

  const port = await rig.port("s0");
  await Promise.all(Array.from({ length: 20 }, () => ask(port, "")));
  for (let id = 1; id <= 20; id++) await rig.event("connection.closed", { connection: id });
  // Being asked for metrics starts nothing that goes on.
  expect((await scrape(rig)).of("s0", "accepted_total")).toBe(20);
  await sleeps(rig.pid);

  // And is not dead.
  await ask(port, "");
  await rig.event("handler.started", { connection: 21 });
});

/** Waits until no thread of it has run for a while. Nothing announces that nothing happens. */
async function sleeps(pid: number): Promise<void> {
  const seen: number[] = [];
  for (let window = 0; window < mostWindows; window++) {
    const before = contextSwitches(pid);
    await delay(windowMs);
    const during = contextSwitches(pid) - before;
    if (during === 0) return;
    seen.push(during);
  }
  expect.unreachable(`it woke up again and again: ${seen.join(", ")} times in ${windowMs} ms each`);
}
