/** docs/programs.md promises that its tables are those which the tests run. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tables } from "./documented.ts";

test("every table of docs/programs.md is run by a test", () => {
  const folder = import.meta.dirname;
  const sources = readdirSync(folder).filter((name) => name.endsWith(".test.ts"));
  const run = sources.flatMap((name) =>
    [...readFileSync(join(folder, name), "utf8").matchAll(/\bdocumented\("(\w+)"/g)].map(
      ([, service]) => service,
    ),
  );
  expect([...tables().keys()].sort()).toEqual([...new Set(run)].sort());
});
