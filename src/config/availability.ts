/**
 * What the schema has and the daemon cannot do yet: a text error, so that no key is taken and then ignored. A row goes
 * when its function is there.
 */
import type { EndpointKind } from "../net/address.ts";
import type { Handoff } from "./schema/handoff.ts";

export interface Availability {
  /** Paths of keys (`log.addresses`) by what they come with. */
  daemon: Readonly<Record<string, readonly string[]>>;
  service: Readonly<Record<string, readonly string[]>>;
  listener: Readonly<Record<string, readonly string[]>>;
  /** `KEY = VALUE` of keys that are there with other values. */
  values: Readonly<Record<string, readonly [section: "daemon" | "service", path: string, value: string][]>>;
  endpoints: Readonly<Record<string, readonly EndpointKind[]>>;
  /** Keys of a service that some have all the same: those of this handoff whose listeners are all of this kind. */
  except: Readonly<Record<string, { handoff: Handoff; kind: EndpointKind }>>;
}

/** What is missing today, each by the part of the work that it comes with. */
export const notAvailable: Availability = {
  daemon: {
    admission: ["never_ban"],
  },
  service: {
    "the built-ins": ["builtin"],
    admission: [
      "max_per_source",
      "source_prefix",
      "rate",
      "rate_per_source",
      "max_load",
      "max_pressure",
      "allow",
      "deny",
      "allow_users",
      "allow_groups",
      "access_times",
      "sensor",
      "banner",
      "proxy_protocol",
      "trusted_proxies",
      "accept_timeout",
    ],
    "cgroup limits": ["cgroup"],
  },
  listener: {},
  values: {},
  endpoints: {},
  except: {},
};

/** Nothing is missing: for tests of the keys themselves. */
export const everythingAvailable: Availability = {
  daemon: {},
  service: {},
  listener: {},
  values: {},
  endpoints: {},
  except: {},
};
