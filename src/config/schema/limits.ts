/** Keys of a service that bound how much of it there may be. */
import { key, optional, table } from "./key.ts";
import { integer, integerOr, words } from "./types/basic.ts";
import { positiveNumber, rateOrOff } from "./types/quantities.ts";

const percent = (what: string) =>
  optional(positiveNumber(100), { description: `Percent of time waiting for ${what}.`, example: 80 });

export const limitKeys = {
  max_instances: key(integer(1), {
    description:
      "How many handlers (of `stdio`), flows (on UDP) or open connections (`proxy`, built-ins) there may be.",
    default: 256,
    example: 50,
    alsoCalled: ["instances", "max_connections", "maxconn", "concurrency", "max_child"],
  }),
  max_per_source: key(integerOr("off", 1), {
    description: "How many connections one source may have open; `source_prefix` says what one source is.",
    default: "off",
    example: 5,
    alsoCalled: ["per_source", "max_connections_per_source"],
  }),
  source_prefix: table(
    {
      v4: key(integer(1, 32), {
        description: "Leading bits that tell IPv4 sources apart.",
        default: 32,
        example: 24,
      }),
      v6: key(integer(1, 128), {
        description: "Leading bits that tell IPv6 sources apart.",
        default: 64,
        example: 56,
      }),
    },
    { description: "How many leading bits of an address make one source.", example: { v4: 24, v6: 56 } },
  ),
  on_limit: key(words("queue", "refuse"), {
    description:
      "At a limit: `queue` accepts nothing until there is room, clients wait in the kernel's backlog; `refuse` accepts, " +
      "sends `refusal` and closes.",
    default: "queue",
    example: "refuse",
  }),
  rate: optional(rateOrOff, {
    description: "How often the service may be connected to.",
    example: "50/s burst 100",
    alsoCalled: ["cps"],
  }),
  rate_per_source: optional(rateOrOff, { description: "How often one source may connect.", example: "10/m" }),
  max_load: optional(positiveNumber(Number.POSITIVE_INFINITY), {
    description: "Nobody is let in while the load average of one minute is above.",
    example: 8,
  }),
  max_pressure: table(
    { cpu: percent("a processor"), memory: percent("memory"), io: percent("input and output") },
    {
      description:
        "Nobody is let in while the pressure (PSI: `some`, average of 10 s) of a resource is above.",
      example: { cpu: 80 },
    },
  ),
};
