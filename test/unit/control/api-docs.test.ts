/** docs/api.md: current, complete, and its examples are requests that the daemon understands. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { apiMarkdown } from "../../../src/control/api-docs.ts";
import { matchRoute, splitTarget } from "../../../src/control/match.ts";
import { plainRoutes, routes } from "../../../src/control/routes.ts";

const page = apiMarkdown();

test("the page is what `npx tsx scripts/write-reference.ts` writes", () => {
  expect(readFileSync(resolve(import.meta.dirname, "../../../docs/api.md"), "utf8")).toBe(page);
});

test("every route has a row", () => {
  for (const { method, path } of [...Object.values(routes), ...Object.values(plainRoutes)])
    expect(page).toContain(`| \`${method} ${path}\` |`);
});

test("every object that a row or a field names has a table", () => {
  const named = [...page.matchAll(/\]\(#([a-z-]+)\)/g)].map(([, name]) => name);
  const headings = [...page.matchAll(/^### (.+)$/gm)].map(([, title]) => title?.replaceAll(" ", "-"));
  expect(new Set(headings)).toEqual(new Set(named));
  expect(headings).toHaveLength(new Set(headings).size);
});

const examples = page.split("\n").filter((line) => line.trim().startsWith("curl "));

test("there are examples", () => {
  expect(examples.length).toBeGreaterThan(0);
});

test.each(examples)("%s", (example) => {
  const [, method = "GET"] = /-X (\w+)/.exec(example) ?? [];
  const [, url = ""] = /http:\/\/tinetd(\S*?)'?(?: |$)/.exec(example) ?? [];
  const [, body = "{}"] = /-d '(.*)'/.exec(example) ?? [];
  const target = splitTarget(url);
  const match = matchRoute(method, target?.path ?? "");
  expect(match).toMatchObject({ kind: expect.stringMatching(/^(route|plain)$/) });
  if (match.kind !== "route") return;
  const said = { ...Object.fromEntries(target?.query ?? []), ...JSON.parse(body) };
  const { input } = match.route;
  expect(input.safeParse({ ...said, ...match.parameters }).success).toBe(true);
  // Zod leaves out what it does not know, and so would the daemon: a misspelt field would go unnoticed.
  expect(Object.keys(input.parse({ ...said, ...match.parameters }) as object)).toEqual(
    expect.arrayContaining(Object.keys(said)),
  );
});
