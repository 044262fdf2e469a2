/** The house rules that a compiler does not know: who may import whom, and the one door to each outside thing. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

/** Lowest first: a file imports from its own folder and from those before it. */
const layers = [
  // What worker programs load: it stands alone.
  "worker",
  "util",
  "native",
  "net",
  "log",
  "builtin",
  "config",
  "admission",
  "process",
  "handoff",
  "service",
  "control",
  "daemon",
  "cli",
  "main.ts",
];

/** Things of the outside, and who alone may touch them. */
const doors: {
  what: string;
  found: (code: string, imports: readonly string[]) => boolean;
  allowed: RegExp;
}[] = [
  { what: "pino", found: (_, imports) => imports.some(isPackage("pino")), allowed: /^log\/logger\.ts$/ },
  {
    what: "toml",
    found: (_, imports) => imports.some(isPackage("toml")),
    allowed: /^config\/file\.ts$/,
  },
  {
    what: "zod",
    found: (_, imports) => imports.some(isPackage("zod")),
    allowed: /^(config\/.*|control\/messages)\.ts$/,
  },
  { what: "commander", found: (_, imports) => imports.some(isPackage("commander")), allowed: /^cli\// },
  { what: "the addon", found: (code) => /["']#sys["']/.test(code), allowed: /^native\/sys\.ts$/ },
  {
    what: "child_process",
    found: (_, imports) => imports.some((name) => /^(node:)?(child_process|cluster|dgram)$/.test(name)),
    // The daemon never does; a command may start another program.
    allowed: /^cli\//,
  },
  {
    what: "process.env",
    found: (code) => /\bprocess\s*\.\s*env\b/.test(code),
    // The guard is a program by itself, whose text travels in a variable.
    allowed: /^(main\.ts|cli\/.*|daemon\/upgrade\/(guard|program)\.ts)$/,
  },
  {
    what: "process.argv",
    found: (code) => /\bprocess\s*\.\s*argv\b/.test(code),
    allowed: /^(main\.ts|cli\/.*)$/,
  },
  { what: "console", found: (code) => /\bconsole\s*\./.test(code), allowed: /^cli\// },
];

interface Source {
  /** Relative to src. */
  path: string;
  code: string;
  imports: string[];
}

const root = resolve(import.meta.dirname, "../../src");

const sources: Source[] = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))
  .map((path) => {
    const code = withoutComments(readFileSync(join(root, path), "utf8"));
    return { path, code, imports: importsOf(code) };
  });

/** What stands in comments is not code. Strings are kept: a name in one is either an import or harmless. */
function withoutComments(text: string): string {
  return text.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    "$1",
  );
}

/** Of `import ... from`, `export ... from`, `import("...")` and `import "..."`. */
function importsOf(code: string): string[] {
  return [...code.matchAll(/\b(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map((match) => match[1] ?? "");
}

function isPackage(name: string): (imported: string) => boolean {
  return (imported) => imported === name || imported.startsWith(`${name}/`);
}

function layerOf(path: string): string {
  return path.split("/")[0] ?? "";
}

test("the sources are there", () => {
  expect(sources.length).toBeGreaterThan(50);
});

test("every folder is a layer", () => {
  expect(
    [...new Set(sources.map(({ path }) => layerOf(path)))].filter((layer) => !layers.includes(layer)),
  ).toEqual([]);
});

test("a file imports its own layer and those before it", () => {
  const upward = sources.flatMap(({ path, imports }) =>
    imports
      .filter((name) => name.startsWith("."))
      .map((name) => relative(root, resolve(root, dirname(path), name)))
      .filter((target) => layers.indexOf(layerOf(target)) > layers.indexOf(layerOf(path)))
      .map((target) => `${path} imports ${target}`),
  );
  expect(upward).toEqual([]);
});

test("imports name the file, and Node's modules by their scheme", () => {
  const odd = sources.flatMap(({ path, imports }) =>
    imports
      .filter((name) =>
        name.startsWith(".")
          ? !name.endsWith(".ts")
          : /^(fs|os|path|net|util|events|stream|crypto)$/.test(name),
      )
      .map((name) => `${path} imports ${name}`),
  );
  expect(odd).toEqual([]);
});

describe("one door to each outside thing", () => {
  test.each(doors)("$what", ({ found, allowed }) => {
    const users = sources.filter(({ path, code, imports }) => found(code, imports) && !allowed.test(path));
    expect(users.map(({ path }) => path)).toEqual([]);
  });

  // A pattern that matches nothing would let everything through.
  test("the doors are in use", () => {
    const unused = doors.filter(
      ({ found, allowed, what }) =>
        what !== "console" &&
        !sources.some(({ path, code, imports }) => allowed.test(path) && found(code, imports)),
    );
    expect(unused.map(({ what }) => what)).toEqual([]);
  });
});
