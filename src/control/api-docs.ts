/** docs/api.md, made from the table of routes and the schema of what travels. */
import { failure, type JsonSchema, jsonSchema } from "./messages.ts";
import type { Role } from "./roles.ts";
import { plainRoutes, type Refusal, type Route, routes, statusOf } from "./routes.ts";

export function apiMarkdown(): string {
  return `# The control socket\n\n${intro}\n\n${routeTable()}\n\n${notes}\n\n${statusTable()}\n\n## Answers\n\n${answersText}\n\n${answers()}\n`;
}

const who: Readonly<Record<Role, string>> = {
  watch: "readers, and whoever reaches `[daemon] http`",
  read: "readers",
  operate: "operators",
};

const intro = `\
<!-- Made by scripts/write-reference.ts from src/control/routes.ts and src/control/messages.ts. -->

The daemon answers HTTP/1.1 with JSON at a Unix socket; \`tinetd status\` and the other commands are nothing but its
clients. It is at \`control_socket\` of \`[daemon]\`: /run/tinetd/control.sock if root runs the daemon and nobody says
otherwise ([reference.md](reference.md)).

    S=/run/tinetd/control.sock
    curl -s --unix-socket $S http://tinetd/v1/status
    curl -s --unix-socket $S http://tinetd/v1/services/ssh
    curl -s --unix-socket $S -X POST http://tinetd/v1/services/ssh/pause -d '{"max_wait_ms":60000}'
    curl -s --unix-socket $S -X POST 'http://tinetd/v1/services/ssh/stop?drain=true'
    curl -s --unix-socket $S -X POST 'http://tinetd/v1/reload?dry_run=true'
    curl -s --unix-socket $S -X DELETE http://tinetd/v1/handlers/4711
    curl -sN --unix-socket $S http://tinetd/v1/events

The name in the URL means nothing. **Who may** is decided by the kernel's word about the caller (SO_PEERCRED), not by a
password: root, the daemon's own user and the members of \`control_group\` are operators, and may do everything; the
members of \`status_group\` are readers; nobody else may anything. The socket's node is open to nobody else either (but
to all if both groups are set, since a node has one group).`;

const notes = `\
What a request may say goes into its query (\`?drain=true\`) or into a body, which is a JSON object of at most 16 KiB; what
is in the path (\`:service\`) stands there. An answer comes when what was asked for is done: a \`stop\` with \`drain\` is
answered when the last connection has ended. Each connection takes one request. 64 callers are served at once, and a
request has 5 seconds to arrive. Events come as server-sent events; a follower who is 1 MiB behind misses some, and is told
how many (\`event: missed\`).

Everything but a stream and a text is JSON. What went wrong is told by the status, and by a [failure](#failure):`;

const meanings: Readonly<Record<Refusal["kind"], string>> = {
  invalid: "the request, or the configuration that is to be read, is wrong: nothing was changed",
  unknown: "there is no such service, handler, connection or path",
  conflict: "not in the present state",
  failed: "it was tried, and could not be done",
  unavailable: "this version cannot do it (`upgrade`)",
};

const answersText = `\
Whoever reads them should let fields pass that he does not know: later versions may have more. An event has further fields,
as [events.md](events.md) says.`;

function routeTable(): string {
  const rows = [
    ...Object.values(routes).map(({ method, path, role, summary, input, answer }) => [
      `\`${method} ${path}\``,
      summary,
      inputText(input, path),
      typeText(jsonSchema(answer, "output")),
      who[role],
    ]),
    ...Object.values(plainRoutes).map(({ method, path, role, summary, type }) => [
      `\`${method} ${path}\``,
      summary,
      "",
      type.replace(/;.*/, ""),
      who[role],
    ]),
  ];
  return table(["request", "what it does or tells", "it may say", "answer", "who may"], rows);
}

function statusTable(): string {
  const kinds = Object.keys(meanings) as Refusal["kind"][];
  const rows = [
    ...kinds.map((kind) => [String(statusOf[kind]), meanings[kind]]),
    ["403", "the caller may only read"],
    ["405", "the path is there, with the methods that `Allow` names"],
  ];
  return table(
    ["status", "meaning"],
    rows.sort(([one = ""], [other = ""]) => one.localeCompare(other)),
  );
}

/** Fields of a request that are not in its path. */
function inputText(input: Route["input"], path: string): string {
  return Object.entries(jsonSchema(input, "input").properties ?? {})
    .filter(([name]) => !path.split("/").includes(`:${name}`))
    .map(([name, schema]) => `\`${name}\`: ${schema.description ?? typeText(schema)}`)
    .join("; ");
}

/** A table for each object that an answer is made of, in the order in which one comes upon them. */
function answers(): string {
  const definitions = new Map<string, JsonSchema>();
  for (const { answer } of Object.values(routes)) {
    for (const [name, schema] of Object.entries(jsonSchema(answer, "output").$defs ?? {}))
      definitions.set(name, schema);
  }
  for (const [name, schema] of Object.entries(jsonSchema(failure, "output").$defs ?? {}))
    definitions.set(name, schema);
  return [...definitions]
    .map(([name, schema]) => `### ${name}\n\n${table(["field", "value", "meaning"], fieldRows(schema, ""))}`)
    .join("\n\n");
}

/** Objects that have no table of their own stand among the fields of those that hold them. */
function fieldRows(schema: JsonSchema, prefix: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = `${prefix}${name}`;
    const own = [`\`${path}\``, typeText(field), field.description ?? ""];
    if (field.type === "array" && field.items !== undefined)
      return [own, ...fieldRows(field.items, `${path}[].`)];
    return [own, ...[field, ...(field.anyOf ?? [])].flatMap((inner) => fieldRows(inner, `${path}.`))];
  });
}

function typeText(schema: JsonSchema): string {
  const { $ref, anyOf, enum: words, items, type, properties, additionalProperties: values } = schema;
  if ($ref !== undefined) return link($ref.replace("#/$defs/", ""));
  if (anyOf !== undefined) return anyOf.map(typeText).join(" or ");
  if (words !== undefined) return words.map((word) => `\`${word}\``).join(" ");
  if (Array.isArray(type)) return type.map(typeWord).join(" or ");
  if (type === "array") return `list of ${items === undefined ? "anything" : typeText(items)}`;
  if (type !== "object") return typeWord(type ?? "anything");
  if (properties !== undefined) return Object.keys(properties).length === 0 ? "{}" : "object";
  return typeof values === "object" && values.type !== undefined ? `object of ${typeText(values)}` : "object";
}

function typeWord(type: string): string {
  return type === "string" ? "text" : type;
}

function link(name: string): string {
  return `[${name}](#${name.replaceAll(" ", "-")})`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
