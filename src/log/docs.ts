/** docs/events.md, made from the catalogue and the rules that the logger itself goes by. */
import { catalogue, fieldMeanings } from "./catalogue.ts";
import { mostBufferedBytes } from "./destination.ts";
import { refusalReasons } from "./events.ts";
import { summaryEveryMs } from "./flood.ts";

export function eventsMarkdown(): string {
  return [
    `# Events\n\n${intro}`,
    `## The events\n\n${events()}`,
    `A field with a \`?\` is not always there. The reasons of a refusal: ${refusalReasons.map((word) => `\`${word}\``).join(" ")}.`,
    `## The fields\n\n${fields()}`,
    `## Where they go\n\n${destinations}`,
    `## Floods\n\n${floods}`,
    `## What is kept out\n\n${kept}`,
  ]
    .join("\n\n")
    .concat("\n");
}

const intro = `Made by \`npx tsx scripts/write-reference.ts\` from \`src/log/catalogue.ts\`; a test checks that it is current.

The log is a line for each event. As JSON it has \`time\`, \`level\`, \`event\`, the event's own fields and \`msg\`, the
sentence for people:

\`\`\`json
{"level":"warn","time":"2026-01-02T03:04:05.678Z","event":"connection.refused","service":"ssh","reason":"limit","remote":"tcp://192.0.2.1:50123","local":"tcp://192.0.2.9:22","msg":"\\"ssh\\" refused tcp://192.0.2.1:50123: limit"}
\`\`\`

Lines without \`event\` are about the log itself (\`dropped\`), or a bug of tinetd's (\`err\`), which we should like to hear of.`;

function events(): string {
  const rows = Object.entries(catalogue).map(([name, { level, about, fields: presence }]) => {
    const names = Object.entries(presence).map(
      ([field, when]) => `\`${field}\`${when === "always" ? "" : "?"}`,
    );
    return [`\`${name}\``, level, about, names.join(" ")];
  });
  return table(["event", "level", "when", "fields"], rows);
}

function fields(): string {
  const rows = Object.entries(fieldMeanings).map(([name, meaning]) => [
    `\`${name}\``,
    `\`TINETD_${name.toUpperCase()}\``,
    meaning,
  ]);
  return table(["field", "in the journal", "meaning"], rows);
}

const destinations = `**stderr** and **files** get lines, as \`log.format\` says. Where stderr is a stream to the journal (\`$JOURNAL_STREAM\`
names it), each line has its priority in front, as sd-daemon(3) has it. SIGUSR1 opens a file again by its name; if that
is not possible, the log goes on in the file that was open and says so. A file is made with mode 0640.

**journal** is the native protocol: \`MESSAGE\` (the sentence), \`PRIORITY\`, \`SYSLOG_IDENTIFIER=tinetd\`,
\`SYSLOG_FACILITY=3\`, and \`TINETD_EVENT\`, \`TINETD_SERVICE\` ... as in the table above. A field that is null is left out, a
list has its field several times.

    journalctl TINETD_SERVICE=ssh TINETD_EVENT=connection.refused -o json

**syslog** is /dev/log, in the form of syslog(3): facility daemon, tag \`tinetd[PID]\`, the sentence, and in brackets every
field whose value is one word: \`[event=handler.started service=ssh pid=812]\`.

The levels trace and debug are priority 7, info 6, warn 4, error 3, fatal 2.

No destination makes the daemon wait. What one does not take at once waits in at most ${mostBufferedBytes / 1024} KiB; the rest is
dropped, and how many lines that were stands in \`dropped\` of a line of its own as soon as one goes through again. A journal
or syslog that is not there costs the lines until it is; a disk that is full those that did not fit. At its end the daemon
waits for a destination that takes nothing for a second.`;

const floods = `What anybody can cause at any rate, without having been let in, is logged so often in a second: 50 times
\`connection.refused\` for each service and reason, 20 times \`service.state\` for each service, 1000 times \`handler.stderr\` for
each service. Of what goes beyond, one line every ${summaryEveryMs / 1000} seconds has the last, with \`suppressed\`: how many events it stands for,
itself included. Counters of \`tinetd status\` and the events of \`tinetd events\` have them all.

Lines of connections that were let in are never held back: \`max_instances\` and \`rate\` bound those. A handler may write 100
lines a second with \`stderr = "log"\`; beyond that it waits, and the lines are counted in \`dropped\`.`;

const kept = `\`log.addresses = "prefix"\` logs the network of a client, a /24 or /48, without its port (\`tcp://192.0.2.0/24\`); \`"none"\`
logs \`-\`. That goes for \`remote\` and for whatever sentence or error names it. Unix peers are named as ever, since that is
nobody's address. The addresses of the daemon's own sockets stay, and so does what handlers write to their stderr.
\`tinetd status\` and \`tinetd events\`, which nobody keeps, have whole addresses.

\`log = "failures"\` of a service leaves warnings, errors and handlers that a signal has ended; \`"none"\` nothing.

Control characters, and those that turn the direction of writing, become \`?\` in every text, and no text is longer than
2000 characters.`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
