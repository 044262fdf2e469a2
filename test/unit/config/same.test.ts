import { expect, test } from "vitest";
import type { ServiceConfig } from "../../../src/config/config.ts";
import { encodeService } from "../../../src/config/encode.ts";
import { isSameService } from "../../../src/config/same.ts";
import { handoffs } from "../../../src/config/schema/handoff.ts";
import { serviceTable } from "../../../src/config/schema/index.ts";
import { writeValue } from "../../../src/config/toml-writer.ts";
import { load, service } from "./memory.ts";

const bases = [
  'listen = 7\ncommand = "cat"',
  'listen = "/run/s"\ncommand = "cat"',
  'listen = ["udp://127.0.0.1:7"]\nallow = "::1"\nbuiltin = "discard"',
  ...handoffs.flatMap((handoff) =>
    handoff === "builtin" ? [] : [`listen = 7\ncommand = "cat"\nhandoff = "${handoff}"`],
  ),
  'listen = 7\ncommand = "cat"\nidle_timeout = "1m"\nproxy_protocol = "v1"\naccept_timeout = "9s"\ntrusted_proxies = "::1"',
  'listen = 7\ncommand = "cat"\nhandoff = "pass"\nwake_on = "data"\nidle_timeout = "1m"\non_idle = "freeze"',
  'listen = 7\ncommand = "cat"\nhandoff = "proxy"\nupstream = "/run/u"',
];

/** `null`: it is no valid service. */
function read(text: string): ServiceConfig | null {
  const loaded = load(`[services.s]\n${text}\n`);
  return loaded.ok ? (loaded.value.services.get("s") ?? null) : null;
}

function makesADifference(base: string, key: string, value: string): boolean {
  const lines = base.split("\n").filter((line) => !line.startsWith(`${key} =`));
  const [before, after] = [read(base), read([...lines, `${key} = ${value}`].join("\n"))];
  if (before === null || after === null) return false;
  const differs = JSON.stringify(encodeService(before)) !== JSON.stringify(encodeService(after));
  expect({ key, same: isSameService(before, after) }).toEqual({ key, same: !differs });
  return differs;
}

test.each(Object.entries(serviceTable))("%s makes a difference", (key, { example }) => {
  expect(bases.some((base) => makesADifference(base, key, writeValue(example)))).toBe(true);
});

test("places, comments and other ways to say it are the same", () => {
  const one = 'listen = [7000]\ncommand = "cat -u"\nstop_timeout = "60s"\nlimits = { core = 0 }';
  const other =
    '# moved\n\nstop_timeout = "1m"\ncommand = ["cat", "-u"]\nlisten = "*:7000"\n[services.s.limits]\ncore = "0"';
  expect(isSameService(service(`[services.s]\n${one}`), service(`\n[services.s]\n${other}`))).toBe(true);
});

test("one listener more or less, or another option of one, is not", () => {
  const of = (listen: string) => service(`[services.s]\ncommand = "cat"\nlisten = ${listen}`);
  expect(isSameService(of("[1]"), of("[1, 2]"))).toBe(false);
  expect(isSameService(of("[1, 2]"), of("[1]"))).toBe(false);
  expect(isSameService(of("[1]"), of('[{ address = "*:1", backlog = 5 }]'))).toBe(false);
});
