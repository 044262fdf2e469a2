/** Clients that connect throughout a hundred reloads: whoever should be served is. */
import { expect, test } from "vitest";
import { ask } from "../rig/client.ts";
import { startReloadable } from "./tools.ts";

const reloads = 100;

test("a hundred reloads that add, change and remove services, under load", { timeout: 120_000 }, async () => {
  const text = (round: number, ports: readonly number[]) =>
    [
      // Stays as it is, is given other rules, another command, another listener beside its own, other options.
      `[services.stays]\nlisten = "127.0.0.1:${ports[0] ?? 0}"\ncommand = "cat"`,
      `[services.rules]\nlisten = "127.0.0.1:${ports[1] ?? 0}"\ncommand = "cat"\nmax_instances = ${100 + round}`,
      `[services.starts]\nlisten = "127.0.0.1:${ports[2] ?? 0}"\ncommand = "cat"\nenvironment = { ROUND = "${round}" }`,
      `[services.listens]\nlisten = ["127.0.0.1:${ports[3] ?? 0}"${round % 2 === 0 ? "" : ', "127.0.0.1:0"'}]\ncommand = "cat"`,
      `[services.options]\nlisten = "127.0.0.1:${ports[4] ?? 0}"\ncommand = "cat"\nsocket = { backlog = ${1000 + round}, keep_alive = ${round % 2 === 0} }`,
      // The same port under another name each time.
      `[services.name${round}]\nlisten = "127.0.0.1:${ports[5] ?? 0}"\ncommand = "cat"`,
      ...(round % 3 === 0 ? [`[services.comes-and-goes]\nlisten = "127.0.0.1:0"\ncommand = "cat"`] : []),
    ].join("\n");

  const { rig, reload } = await startReloadable(() => text(0, []));
  await using _ = rig;
  const names = ["stays", "rules", "starts", "listens", "options", "name0"];
  const ports = await Promise.all(names.map((name) => rig.port(name)));
  const before = rig.descriptors();

  let running = true;
  let served = 0;
  const clients = ports.map(async (port) => {
    while (running) {
      expect(await ask(port, "hello").catch((error) => `${port}: ${error}`)).toBe("hello");
      served += 1;
    }
  });
  try {
    for (let round = 1; round <= reloads; round++) {
      const plan = await reload(text(round, ports));
      expect(plan.changed.map(({ failure }) => failure)).toEqual(plan.changed.map(() => null));
      expect(plan.unchanged).toBe(round === 1 ? 0 : 1);
    }
  } finally {
    running = false;
  }
  await Promise.all(clients);
  await reload(text(0, ports));
  const { daemon, services } = await rig.status();
  expect(daemon.generation).toBe(reloads + 2);
  expect(
    services.every(({ refused, start_failures }) => Object.keys(refused).length + start_failures === 0),
  ).toBe(true);
  expect(served).toBeGreaterThan(reloads);
  expect(rig.descriptors()).toBeLessThanOrEqual(before + 2);
  process.stdout.write(`${served} clients served during ${reloads} reloads\n`);
});
