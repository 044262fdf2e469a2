import { expect, test } from "vitest";
import type { Config } from "../../../src/config/config.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { restoreConfig, saveConfig } from "../../../src/config/saved.ts";

const text = `
[daemon]
max_connections = 123
[daemon.log]
level = "debug"

[services.10]
user = "root"
listen = "127.0.0.1:7010"
command = ["/bin/cat"]
idle_timeout = "3m"

[services.2]
user = "root"
listen = [{ address = "unix:/run/x.sock", mode = "0660", backlog = 7 }, "unix:@abstract"]
handoff = "listen"
command = ["/bin/cat", "a b"]
ready = { log = "up .* now" }
stderr = "log"
environment = { A = "1", B = "two words" }
limits = { nofile = "100:200" }
restart = "always"
workers = { min = 1, max = 2 }

[services.udp]
listen = "udp://127.0.0.1:7011"
command = "/bin/cat -u"
user = "nobody"
stop_timeout = "off"

[services.behind]
user = "root"
listen = "127.0.0.1:7012"
handoff = "proxy"
upstream = "127.0.0.1:7013"
upstream_proxy_protocol = "v2"
command = "/bin/cat"
start_limit = "3/10s"
`;

function load(): Config {
  const reader = { read: () => ({ text, uid: 0, mode: 0o600 }), list: () => null };
  const loaded = loadConfig("/etc/tinetd/inetd.toml", { reader, uid: 0, workingDirectory: "/" });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  return loaded.value;
}

/** Where things stood in the text is not kept. */
function withoutPlaces(config: Config): unknown {
  const services = [...config.services.values()].map(({ position: _, keyPositions: __, ...service }) => ({
    ...service,
    listeners: service.listeners.map(({ position: _, declared: __, ...listener }) => listener),
  }));
  return { ...config, services };
}

test("what was in force is in force again, in its order and to the last key", () => {
  const config = load();
  const restored = restoreConfig(JSON.parse(JSON.stringify(saveConfig(config))), 0);
  if (!restored.ok) throw new Error(JSON.stringify(restored.error));
  expect([...restored.value.services.keys()]).toEqual([...config.services.keys()]);
  expect(withoutPlaces(restored.value)).toEqual(withoutPlaces(config));
});

test("a key that the version which reads it does not know is named", () => {
  const saved = saveConfig(load());
  const [first] = saved.services;
  if (first !== undefined) first[1].color = "blue";
  const restored = restoreConfig(saved, 0);
  expect(restored).toMatchObject({ ok: false, error: [{ message: expect.stringContaining("color") }] });
});
