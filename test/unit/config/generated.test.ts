/** What is made from the schema, and the configurations that are shipped. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { starterText } from "../../../src/cli/init.ts";
import { notAvailable } from "../../../src/config/availability.ts";
import { addressForms, referenceMarkdown } from "../../../src/config/docs.ts";
import { configJsonSchema } from "../../../src/config/json-schema.ts";
import { parseAddress } from "../../../src/net/parse-address.ts";
import { loadValid, problemLines } from "./memory.ts";

const root = resolve(import.meta.dirname, "../../..");
const text = (path: string) => readFileSync(join(root, path), "utf8");

describe("docs/reference.md", () => {
  test("is current: npx tsx scripts/write-reference.ts", () => {
    expect(text("docs/reference.md")).toBe(referenceMarkdown());
  });

  test("every form of an address is one", () => {
    const examples = addressForms.flatMap(([forms]) =>
      [...forms.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ""),
    );
    const refused = examples.filter((example) => !parseAddress(JSON.parse(example) as string | number).ok);
    expect(examples.length).toBeGreaterThan(20);
    expect(refused).toEqual([]);
  });
});

describe("the JSON Schema", () => {
  const schema = configJsonSchema() as {
    properties: { daemon: { properties: object }; services: unknown };
    $defs: {
      service: { properties: Record<string, object> };
      listener: { properties: object; required: string[] };
    };
  };

  test("says what a key is, what it defaults to, and what it may hold", () => {
    expect(schema.$defs.service.properties.stop_timeout).toMatchObject({ default: "10s", examples: ["2m"] });
    expect(schema.$defs.service.properties.handoff).toMatchObject({
      enum: ["stdio", "wait", "listen", "pass", "proxy"],
    });
    expect(schema.$defs.service.properties.max_instances).toEqual({
      description: expect.any(String),
      default: 256,
      examples: [50],
      type: "integer",
      minimum: 1,
    });
    expect(schema.$defs.service.properties.limits).toMatchObject({
      type: "object",
      properties: { nofile: { default: "1024:HARD" } },
      additionalProperties: false,
    });
    expect(schema.$defs.listener.required).toEqual(["address"]);
  });

  test("is plain JSON", () => {
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  });
});

describe("shipped configurations", () => {
  const asRoot = { uid: 0, availability: notAvailable };

  test("conf/inetd.toml is for ordinary users", () => {
    const services = loadValid(text("conf/inetd.toml"), { availability: notAvailable }).services;
    expect([...services.keys()]).toEqual(["echo", "daytime", "whoami"]);
  });

  test("what init writes is for whoever runs it", () => {
    const starter = text("conf/inetd.toml");
    expect(starterText(starter, false)).toBe(starter);
    expect(problemLines(starterText(starter, true), asRoot)).toEqual([]);
  });

  test("conf/example.toml is for root", () => {
    const services = loadValid(text("conf/example.toml"), asRoot).services;
    expect([...services.keys()]).toEqual(["ssh", "rsync", "git", "report"]);
  });

  test("conf/try-as-root.toml is the first as root", () => {
    const files = { "/t.toml": text("conf/try-as-root.toml"), "/inetd.toml": text("conf/inetd.toml") };
    expect(problemLines(files, asRoot)).toEqual([]);
  });
});
