/** The table of commands, and what is made from it. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { commands, loadCommands } from "../../../src/cli/commands.ts";
import { commandsMarkdown } from "../../../src/cli/docs.ts";

// Not within a test, whose time is limited: it takes a while to read them all.
const all = await loadCommands();

test("docs/commands.md is current: npx tsx scripts/write-reference.ts", () => {
  const path = resolve(import.meta.dirname, "../../../docs/commands.md");
  expect(readFileSync(path, "utf8")).toBe(commandsMarkdown(all));
});

test("every command is called what the table calls it", () => {
  expect(all.map(({ name }) => name)).toEqual(Object.keys(commands));
});

test("hidden ones are in no docs", () => {
  const hidden = all.filter((command) => command.hidden === true);
  expect(hidden.map(({ name }) => name)).toEqual(["__candidates"]);
  expect(commandsMarkdown(hidden)).not.toContain("__candidates");
});
