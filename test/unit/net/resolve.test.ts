import { describe, expect, test } from "vitest";
import type { InternetEndpoint } from "../../../src/net/address.ts";
import { type Resolver, resolveEndpoint } from "../../../src/net/resolve.ts";

/** A machine with both families, one host and one interface. */
const machine: Resolver = {
  addressesOf: async (host, family) => {
    if (host === "slow") throw Object.assign(new Error(), { code: "EAI_AGAIN" });
    if (host === "odd") throw Object.assign(new Error(), { code: "EAI_FAIL" });
    if (host === "empty") return [];
    if (host !== "localhost") throw Object.assign(new Error(), { code: "ENOTFOUND" });
    return ["::1", "127.0.0.1", "::ffff:127.0.0.1"].filter((a) => family !== 4 || !a.startsWith("::1"));
  },
  supports: () => true,
  inUse: () => true,
  portOf: (service, protocol) => (service === "ssh" && protocol === "tcp" ? 22 : null),
  interfaceIndex: (name) => (name === "eth0" ? 4 : 0),
};

const withoutIPv6Module: Resolver = { ...machine, supports: (f) => f === 4, inUse: (f) => f === 4 };
const withIPv6Disabled: Resolver = { ...machine, inUse: (f) => f === 4 };

function tcp(
  host: string | null,
  port: number | string = 7000,
  family: "any" | 4 | 6 = "any",
): InternetEndpoint {
  return { kind: "tcp", host, family, port };
}

const inet = (address: string, port = 7000) => ({ family: "inet", address, port });
const inet6 = (address: string, scope = 0, port = 7000) => ({ family: "inet6", address, port, scope });

describe("addresses to bind", () => {
  test.each<[string, InternetEndpoint, Resolver, object[], boolean]>([
    ["* is one dual-stack socket", tcp(null), machine, [inet6("::")], false],
    ["* without IPv6 in the kernel is IPv4", tcp(null), withoutIPv6Module, [inet("0.0.0.0")], false],
    ["* with IPv6 disabled is still the IPv6 wildcard", tcp(null), withIPv6Disabled, [inet6("::")], false],
    ["tcp4://*", tcp(null, 7000, 4), machine, [inet("0.0.0.0")], false],
    ["tcp6://* is IPv6 alone", tcp(null, 7000, 6), machine, [inet6("::")], true],
    ["an IPv4 address", tcp("10.0.0.1"), machine, [inet("10.0.0.1")], false],
    ["an IPv6 address", tcp("2001:db8::1"), machine, [inet6("2001:db8::1")], false],
    ["a mapped address is IPv4", tcp("::ffff:10.0.0.1"), machine, [inet("10.0.0.1")], false],
    ["a scope by name", tcp("fe80::1%eth0"), machine, [inet6("fe80::1", 4)], false],
    ["a scope by number", tcp("fe80::1%7"), machine, [inet6("fe80::1", 7)], false],
    [
      "all addresses of a name, each once",
      tcp("localhost"),
      machine,
      [inet6("::1"), inet("127.0.0.1")],
      false,
    ],
    ["those of one family", tcp("localhost", 7000, 4), machine, [inet("127.0.0.1")], false],
    ["none of a family that is off", tcp("localhost"), withIPv6Disabled, [inet("127.0.0.1")], false],
    ["a port by name", tcp("10.0.0.1", "ssh"), machine, [inet("10.0.0.1", 22)], false],
  ])("%s", async (_, endpoint, resolver, addresses, v6only) => {
    const resolved = await resolveEndpoint(endpoint, resolver);
    expect(resolved).toEqual({ ok: true, value: addresses.map((address) => ({ address, v6only })) });
  });
});

describe("what cannot be found", () => {
  test.each<[InternetEndpoint, Resolver, string]>([
    [tcp("db.internal"), machine, 'there is no host "db.internal"'],
    [tcp("slow"), machine, 'the name service does not answer for "slow"'],
    [tcp("odd"), machine, 'cannot look up "odd": EAI_FAIL'],
    [tcp("empty"), machine, '"empty" has no address'],
    [
      tcp("localhost"),
      { ...machine, inUse: () => false },
      '"localhost" has no address of a family that is on here',
    ],
    [tcp(null, "gopher"), machine, '/etc/services has no tcp port named "gopher"'],
    [{ ...tcp(null, "ssh"), kind: "udp" }, machine, '/etc/services has no udp port named "ssh"'],
    [tcp("fe80::1%wlan9"), machine, 'there is no interface "wlan9"'],
    [tcp("10.0.0.1", 1, 6), machine, "10.0.0.1 is not an IPv6 address"],
    [tcp("::1", 1, 4), machine, "::1 is not an IPv4 address"],
  ])("%j", async (endpoint, resolver, error) => {
    expect(await resolveEndpoint(endpoint, resolver)).toEqual({ ok: false, error });
  });

  test("a bug of the resolver is not an answer", async () => {
    const broken: Resolver = { ...machine, addressesOf: () => Promise.reject(new TypeError("bug")) };
    await expect(resolveEndpoint(tcp("localhost"), broken)).rejects.toThrow("bug");
  });
});
