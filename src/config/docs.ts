/** docs/reference.md, made from the same rows as everything else, so that it cannot say anything but what is done. */
import { notAvailable } from "./availability.ts";
import { type Cell, keyRules, listenerRules } from "./combination.ts";
import { adoptedKinds, optionKinds } from "./listeners.ts";
import { type Handoff, handoffs } from "./schema/handoff.ts";
import { daemonTable, listenerTable, notInDefaults, serviceGroups } from "./schema/index.ts";
import { type Key, type KeyTable, rowsOf, type Toml } from "./schema/key.ts";
import { writeValue } from "./toml-writer.ts";

export function referenceMarkdown(): string {
  return [
    `# inetd.toml: reference\n\n${intro}`,
    `## Values\n\n${valueForms}`,
    `## Addresses\n\n${table(["form", "meaning"], addressForms)}\n\n${addressNotes}`,
    `## [daemon]\n\n${keyTable(daemonTable)}`,
    `## [defaults]\n\n${defaultsText}`,
    "## [services.NAME]\n\nA name has 1 to 64 letters, digits, `_`, `.` and `-`, and does not begin with `.` or `-`.",
    ...Object.entries(serviceGroups).map(([title, rows]) => `### ${title}\n\n${keyTable(rows)}`),
    `## Listener options\n\n${listenerText}\n\n${listenerOptions()}`,
    `## What goes with what\n\n${combinationText}\n\n${combinations()}`,
    `## Not available yet\n\n${missing()}`,
  ]
    .join("\n\n")
    .concat("\n");
}

const intro = `Made by \`npx tsx scripts/write-reference.ts\` from the schema in \`src/config/schema\`; a test checks that it is current.
\`tinetd schema\` prints the same as a JSON Schema for editors, \`tinetd check\` tells everything that is wrong with a
file, and \`tinetd show\` prints a configuration with all defaults in place.

The text is TOML 1.1. \`include\` takes a path or pattern, or a list of them, relative to the file that it stands in.
Patterns have \`*\`, \`?\` and \`[a-z]\`, match in sorted order, leave out hidden files, and may match nothing; a name
without a pattern must be there. An included file holds services and further includes; \`[daemon]\` and \`[defaults]\`
belong in the main file, so that a file that a package drops cannot change what the others mean. A file that is
included twice is read once; files that include each other are an error, and so is a service that is declared twice.
When the daemon runs as root, every file must belong to root, and nobody else may be able to write it.

All errors are reported in one run, each as \`FILE:LINE:COLUMN: message\`. An unknown key is an error.`;

const valueForms = table(
  ["sort", "examples", "meaning"],
  [
    ["duration", '`"500ms"` `"5s"` `"2m"` `"1h30m"` `"2d"` `30`', 'An integer is seconds. `"off"` disables.'],
    ["size", '`4096` `"64K"` `"512M"` `"1G"` `"2T"`', "Bytes; a K is 1024."],
    [
      "rate",
      '`"50/s"` `"600/m"` `"10/10s"` `"50/s burst 100"`',
      "A token bucket: so many per period, and `burst` at once (without it, one period's worth).",
    ],
    ["permission bits", '`"0660"`', "Octal, as a text."],
    ["list", '`["a", "b"]` `"a"`', "One element may stand without the brackets."],
  ],
);

/** The forms of `listen`; a test reads every example. */
export const addressForms: readonly (readonly [form: string, meaning: string])[] = [
  [
    '`7000` `"7000"` `"*:7000"`',
    "TCP on all addresses: IPv6 and IPv4 on one socket (IPv4 alone where IPv6 is off)",
  ],
  [
    '`"127.0.0.1:7000"` `"[::1]:7000"` `"localhost:7000"` `"[fe80::1%eth0]:22"`',
    "TCP there. A name takes every address it has when the listener is bound",
  ],
  [
    '`"tcp://*:22"` `"tcp4://*:22"` `"tcp6://*:22"` `"udp://*:53"` `"udp4://*:53"` `"udp6://*:53"`',
    "The protocol spelled out; `4` and `6` take that family alone",
  ],
  [
    '`"*:ssh"` `"*:8000-8009"` `"127.0.0.1:0"`',
    "A port by its name in /etc/services, a range, any free port",
  ],
  [
    '`"/run/x.sock"` `"unix:/run/x.sock"` `"unix:@name"`',
    "Unix stream socket, by path or in the abstract namespace",
  ],
  ['`"unix-dgram:/run/x"` `"unix-seqpacket:/run/x"` `"fifo:/run/x"`', "The other local kinds"],
  [
    '`"systemd:http"` `"fd:5"`',
    "A socket that the daemon was given: by its name in LISTEN_FDNAMES, or by descriptor",
  ],
];

const addressNotes = `A table has an \`address\` and options of that listener, \`{ address = "/run/x.sock", mode = "0660" }\`; a list has
several. Two enabled services cannot have the same address, nor one all addresses and the other a single one on the
same port: Linux refuses that (unless both set \`reuse_port\`).`;

const defaultsText = `Takes every key of a service but ${notInDefaults.map((key) => `\`${key}\``).join(", ")}. A service's own value
wins; tables (${mergedKeys()}) are merged key by key. What does not go with the handoff or the listeners of a service is
left out for it: defaults are written for services of all sorts. (But \`allow_users\` and \`allow_groups\` that cannot be
enforced on a Unix socket are an error.)`;

const listenerText = `On the service (\`socket = { backlog = 128 }\`), where every listener takes what goes with it, or beside one address,
which wins.`;

const combinationText = `Anything else is an error that says why. **–** is "no"; a word says for which listeners, or what is meant. A
service with \`builtin\` has no \`handoff\`.`;

function mergedKeys(): string {
  const tables = Object.values(serviceGroups).flatMap((rows) => Object.entries<Key<unknown>>(rows));
  return tables
    .filter(([, row]) => typeof row.default === "object" && !Array.isArray(row.default))
    .map(([key]) => `\`${key}\``)
    .join(", ");
}

/** Tables of keys with tables among them: their keys follow, by their paths. `socket` has a section of its own. */
function keyTable(rows: KeyTable, prefix = ""): string {
  const lines = [...rowsOf(rows).values()].flatMap(({ key, row }) => keyLines(`${prefix}${key}`, row));
  return table(["key", "value", "default", "meaning"], lines);
}

function keyLines(path: string, row: Key<unknown>): string[][] {
  const fields = row.fields === null || row.fields === listenerTable ? {} : row.fields;
  const inside = [...rowsOf(fields).values()].flatMap(({ key, row: field }) =>
    keyLines(`${path}.${key}`, field),
  );
  const own = [
    `\`${path}\``,
    expectation(row),
    defaultText(row),
    `${row.description} *Example:* \`${writeValue(row.example)}\``,
  ];
  return [own, ...inside];
}

/** What the errors say is expected. */
function expectation(row: Key<unknown>): string {
  if (row.fields !== null) return "a table";
  const message = row.type.safeParse(undefined).error?.issues[0]?.message ?? "";
  return message.replace(/^expected /, "");
}

function defaultText(row: Key<unknown>): string {
  if (row.defaultText !== undefined) return row.defaultText;
  if (row.fields !== null) return "";
  if (row.default === undefined) return "not set";
  const special = new Map<string, string[]>();
  for (const [handoff, value] of Object.entries(row.defaultFor)) {
    const text = code(value);
    special.set(text, [...(special.get(text) ?? []), handoff]);
  }
  return [code(row.default), ...[...special].map(([value, names]) => `${names.join(", ")}: ${value}`)].join(
    "; ",
  );
}

function listenerOptions(): string {
  const lines = [...rowsOf(listenerTable).values()].map(({ key, row }) => {
    const kinds = Object.hasOwn(optionKinds, key) ? optionKinds[key] : undefined;
    const listeners = kinds?.filter((kind) => !adoptedKinds.includes(kind)).join(", ") ?? "all";
    const [name = "", value = "", standard = "", meaning = ""] = keyLines(key, row)[0] ?? [];
    return [name, value, standard, listeners, meaning];
  });
  return table(["option", "value", "default", "listeners", "meaning"], lines);
}

function combinations(): string {
  const listeners = listenerRules.map(({ kinds, cells }) => [
    `listeners: ${kinds.join(", ")}`,
    ...cellsOf(cells),
  ]);
  const keys = keyRules.map(({ keys: names, value, cells }) => {
    const label = names.map((name) => `\`${name}${value === undefined ? "" : ` = "${value}"`}\``).join(" ");
    return [label, ...cellsOf(cells)];
  });
  return table(["", ...handoffs], [...listeners, ...keys]);
}

function cellsOf(cells: Record<Handoff, Cell>): string[] {
  return handoffs.map((handoff) => {
    const cell = cells[handoff];
    if (cell.is === "no") return "–";
    return cell.note ?? "yes";
  });
}

function missing(): string {
  const { daemon, service, listener, values, endpoints, except } = notAvailable;
  const groups = new Map<string, string[]>();
  const add = (group: string, names: readonly string[]) => {
    groups.set(group, [...(groups.get(group) ?? []), ...names.map((name) => `\`${name}\``)]);
  };
  for (const [group, paths] of Object.entries(daemon))
    add(
      group,
      paths.map((path) => `daemon.${path}`),
    );
  for (const [group, paths] of Object.entries(service)) add(group, paths);
  for (const [group, names] of Object.entries(listener)) add(group, names);
  for (const [group, rows] of Object.entries(values))
    add(
      group,
      rows.map(([, path, value]) => `${path} = "${value}"`),
    );
  for (const [group, kinds] of Object.entries(endpoints))
    add(
      group,
      kinds.map((kind) => `${kind}:`),
    );
  if (groups.size === 0) return "Everything above is available.";
  const lines = [...groups].map(([group, names]) => [group, names.join(" ")]);
  const excepted = Object.entries(except).map(
    ([path, { handoff, kind }]) =>
      ` A \`${handoff}\` service that listens on ${kind} alone has \`${path}\` already.`,
  );
  return `Setting one of these to anything but its default is an error.${excepted.join("")}\n\n${table(["comes with", "keys, values, kinds of address"], lines)}`;
}

function code(value: Toml): string {
  return `\`${writeValue(value)}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
