/** Keys of `[daemon]`. */
import { err, ok } from "../../util/result.ts";
import { key, optional, table } from "./key.ts";
import { checkedText, integer, list, parsed, text, unknownWord, words } from "./types/basic.ts";
import { account, notAbsolute } from "./types/names.ts";
import { network, tcpListener } from "./types/network.ts";
import { duration } from "./types/quantities.ts";

/** Where the log goes. */
export type LogDestination = "stderr" | "journal" | "syslog" | { file: string };

/** sun_path of unix(7), without its NUL. */
const longestSocketPath = 107;

const socketPath = checkedText("an absolute path", (input) => {
  if (!input.startsWith("/")) return notAbsolute(input);
  const length = Buffer.byteLength(input);
  return length <= longestSocketPath
    ? null
    : { message: `the path has ${length} bytes, a Unix socket has room for ${longestSocketPath}` };
});

const destinationWords = ["stderr", "journal", "syslog"] as const;
const destinationExpected = '"stderr", "journal", "syslog" or an absolute path';

const destination = parsed<string, LogDestination>(
  text(destinationExpected),
  (input) => {
    const word = destinationWords.find((known) => known === input);
    if (word !== undefined) return ok(word);
    return input.startsWith("/")
      ? ok({ file: input })
      : err(unknownWord(input, destinationExpected, destinationWords));
  },
  (value) => (typeof value === "string" ? value : value.file),
);

export const daemonKeys = {
  control_socket: optional(socketPath, {
    description: "The Unix socket for `tinetd status` and the other commands.",
    defaultText:
      "control.sock in $RUNTIME_DIRECTORY; else, as root, in /run/tinetd; else in $XDG_RUNTIME_DIR/tinetd, or /tmp/tinetd-UID",
    example: "/run/tinetd/control.sock",
  }),
  control_group: optional(account("group"), {
    description: "Members of this group may do everything over the control socket.",
    defaultText: "root and the daemon's own user alone",
    example: "ops",
  }),
  status_group: optional(account("group"), {
    description: "Members of this group may read over the control socket.",
    example: "adm",
  }),
  http: optional(tcpListener, {
    description:
      "A TCP address for /metrics, /healthz, /v1/status and a status page at /, for whoever can reach it (docs/http.md).",
    defaultText: "off",
    example: "127.0.0.1:9464",
  }),
  log: table(
    {
      level: key(words("trace", "debug", "info", "warn", "error", "fatal"), {
        description: "The least important lines that are written.",
        default: "info",
        example: "warn",
      }),
      format: key(words("json", "pretty"), {
        description: "Of lines on stderr or in a file: a JSON object, or text for people.",
        default: "json",
        example: "pretty",
      }),
      destination: key(destination, {
        description: "Standard error, the journal, syslog, or a file (SIGUSR1 opens it again).",
        default: "stderr",
        example: "/var/log/tinetd.log",
      }),
      addresses: key(words("full", "prefix", "none"), {
        description:
          "Whether the addresses of clients are logged whole, as the network they are in, or not at all.",
        default: "full",
        example: "prefix",
      }),
    },
    { description: "The log.", example: { level: "info", format: "json", destination: "stderr" } },
  ),
  max_connections: key(integer(1), {
    description: "How many connections there may be over all services.",
    default: 10_000,
    example: 2000,
  }),
  shutdown_timeout: key(duration({ zero: true }), {
    description: "How long handlers may take to end at shutdown before they are killed.",
    default: "45s",
    example: "2m",
  }),
  never_ban: key(list(network, "an address or network"), {
    description: "Addresses that no `sensor` bans.",
    default: [],
    defaultText: "none",
    example: ["10.0.0.0/8"],
  }),
};
