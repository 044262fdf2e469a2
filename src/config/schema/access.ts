/** Keys of a service that say who may connect, and what the others are told. */
import { z } from "zod";
import { ok } from "../../util/result.ts";
import { key, optional } from "./key.ts";
import { list, parsed, text } from "./types/basic.ts";
import { accessWindow } from "./types/hours.ts";
import { account } from "./types/names.ts";
import { network } from "./types/network.ts";
import { duration } from "./types/quantities.ts";

const receivedVersion = parsed<false | "v1" | "v2" | "any", "v1" | "v2" | "any" | null>(
  z.union([z.literal(false), z.enum(["v1", "v2", "any"])], {
    error: () => 'expected false, "v1", "v2" or "any"',
  }),
  (input) => ok(input === false ? null : input),
  (value) => value ?? false,
);

export const accessKeys = {
  allow: optional(list(network, "an address or network"), {
    description:
      'Who may connect: addresses, networks, "private" and "loopback". With a list everybody else is denied; an empty ' +
      "one lets nobody in. Of two rules the more specific wins, and `deny` if they are equal.",
    example: ["10.0.0.0/8", "::1"],
    alsoCalled: ["only_from", "allow_from", "ip_address_allow"],
  }),
  deny: optional(list(network, "an address or network"), {
    description: "Who may not connect.",
    example: ["10.1.0.0/16"],
    alsoCalled: ["no_access", "deny_from", "ip_address_deny"],
  }),
  allow_users: optional(list(account("user"), "a user"), {
    description: "Whose processes may connect to a Unix socket.",
    example: ["www-data"],
  }),
  allow_groups: optional(list(account("group"), "a group"), {
    description: "Members of which groups may connect to a Unix socket.",
    example: ["adm"],
  }),
  access_times: optional(list(accessWindow, "hours"), {
    description:
      'Local hours in which connections are accepted: "08:00-18:00", "Mon-Fri 08:00-18:00". An hour that ends before ' +
      "it begins ends on the next day.",
    example: ["Mon-Fri 08:00-18:00"],
  }),
  sensor: key(duration({ zero: false }), {
    description: "Whoever connects is banned from every service for so long.",
    default: "off",
    example: "1h",
  }),
  banner: optional(text(), {
    description: "A text sent to every client first.",
    example: "Authorized use only\r\n",
  }),
  refusal: optional(text(), {
    description: "A text sent to a refused client before the connection is closed.",
    example: "421 too many connections\r\n",
    alsoCalled: ["banner_fail"],
  }),
  proxy_protocol: key(receivedVersion, {
    description:
      "Which version of the PROXY protocol header `trusted_proxies` send. Needs `trusted_proxies`.",
    default: false,
    example: "any",
  }),
  trusted_proxies: optional(list(network, "an address or network"), {
    description: "Who may connect and say, in a PROXY protocol header, on whose behalf.",
    example: ["10.0.0.5"],
  }),
  accept_timeout: key(duration({ zero: false }), {
    description: "How long the PROXY protocol header may take.",
    default: "5s",
    example: "2s",
  }),
};
