/** Programs find the sockets of `listen` in the ways of the field: libsystemd, Go's library, plain descriptors. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readAll } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { portOf } from "./tools.ts";

const source = fileURLToPath(new URL("../fixtures/readers.py", import.meta.url));

test.each(["libsystemd", "go", "plain"])(
  "%s: each socket under its name, and again after an idle stop",
  async (reader) => {
    await using rig = await startDaemon(({ directory }) => {
      copyFileSync(source, join(directory, "readers.py"));
      return `
[services.it]
listen       = [{ address = "127.0.0.1:0", name = "web" }, { address = "unix:${directory}/it.sock", name = "local", mode = "0666" }]
handoff      = "listen"
idle_timeout = "300ms"
command      = ["/usr/bin/python3", "${directory}/readers.py", "${reader}"]
`;
    });
    const port = await portOf(rig, "tcp:");
    expect(await readAll(port)).toBe("web\n");
    expect(await readAll(join(rig.directory, "it.sock"))).toBe("local\n");
    const exited = await rig.event("handler.exited");
    expect(await readAll(join(rig.directory, "it.sock"))).toBe("local\n");
    expect(await readAll(port)).toBe("web\n");
    await rig.event("handler.started", ({ pid }) => pid !== exited.pid);
  },
);
