/** Keys of a service that say where it listens and what it runs. */
import { z } from "zod";
import { handoffWords } from "./handoff.ts";
import { key, optional, table } from "./key.ts";
import { listenerFields } from "./listener.ts";
import { boolean, text, words } from "./types/basic.ts";
import { command } from "./types/names.ts";

/** The services that need no process (SPEC's built-ins; RFC 862 to 868). */
export const builtinNames = ["echo", "discard", "chargen", "daytime", "time", "qotd", "banner"] as const;

const address = z.union([z.string(), z.int()]);
const listener = z.looseObject({ address });

/** The outer form alone: addresses and options are read one by one, each with its own place (listeners.ts). */
const listen = z.union([address, listener, z.array(z.union([address, listener]))], {
  error: () => "expected an address, a table with `address` and options, or a list of these",
});

export const whatKeys = {
  listen: optional(listen, {
    description: "Where to listen. See *Addresses* and *Listener options*.",
    example: ["*:22", { address: "unix:/run/x.sock", mode: "0660" }],
    alsoCalled: ["port", "address", "bind", "listen_stream", "socket_path", "ports"],
  }),
  socket: table(listenerFields, {
    description: "Options of all listeners of the service that can take them. See *Listener options*.",
    example: { backlog: 128, no_delay: true },
    alsoCalled: ["socket_options", "flags"],
  }),
  handoff: key(words(...handoffWords), {
    description:
      "How a handler gets its connections. `stdio`: one process per connection, which is its standard input and " +
      "output. `wait`: one process gets the listening socket as descriptor 0. `listen`: systemd's protocol, listeners " +
      "from descriptor 3 on. `pass`: resident workers receive each accepted connection. `proxy`: connections are " +
      "relayed to a daemon that listens by itself.",
    default: "stdio",
    example: "listen",
    alsoCalled: ["mode", "wait", "accept", "type"],
  }),
  command: optional(command, {
    description:
      "The program and its arguments. A text is split into words as a shell does it, but no shell runs. The program " +
      "is an absolute path, one that begins with `./` or `../` (from the folder of this file), or a name to find " +
      "along PATH.",
    example: ["/usr/sbin/sshd", "-i"],
    alsoCalled: ["cmd", "exec", "exec_start", "program", "server", "run"],
  }),
  argv0: optional(text(), {
    description: "What the program gets as its own name.",
    defaultText: "the first word of `command`",
    example: "-sh",
  }),
  builtin: optional(words(...builtinNames), {
    description: "A service that tinetd answers by itself, without a process.",
    example: "echo",
    alsoCalled: ["internal"],
  }),
  enabled: key(boolean, {
    description: "Whether the service is started with the daemon.",
    default: true,
    example: false,
    alsoCalled: ["disable", "enable", "disabled"],
  }),
  description: optional(text(), { description: "A line for people.", example: "Backup target of the lab" }),
};
