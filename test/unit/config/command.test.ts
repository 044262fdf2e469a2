import { expect, test } from "vitest";
import { loadConfig } from "../../../src/config/load.ts";
import { memoryReader } from "./memory.ts";

test.each([
  ["./handler", "/etc/tinetd/inetd.d/handler"],
  ["../bin/handler", "/etc/tinetd/bin/handler"],
  ["/bin/cat", "/bin/cat"],
  ["cat", "cat"],
])("the program %j is %j, from the folder of the file that names it", (written, expected) => {
  const reader = memoryReader({
    "/etc/tinetd/inetd.toml": 'include = ["inetd.d/*.toml"]',
    "/etc/tinetd/inetd.d/a.toml": `[services.a]\nlisten = 7000\ncommand = ["${written}", "./x"]`,
  });
  const loaded = loadConfig("/etc/tinetd/inetd.toml", { reader, uid: 1000, workingDirectory: "/" });
  expect(loaded.ok && loaded.value.services.get("a")?.command).toEqual([expected, "./x"]);
});
