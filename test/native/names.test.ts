/** Names of interfaces and services. */
import { networkInterfaces } from "node:os";
import { expect, test } from "vitest";
import { expectNoLeaks } from "./leaks.ts";
import { sys } from "./support.ts";

// As with users, a name service may keep a descriptor from the first lookup on.
sys.servicePort("domain", "udp");
expectNoLeaks();

test("an interface has an index, another name has 0", () => {
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    const index = sys.interfaceIndex(name);
    expect(index).toBeGreaterThan(0);
    for (const address of addresses) {
      if (address.family === "IPv6" && address.scopeid) expect(address.scopeid).toBe(index);
    }
  }
  expect([
    sys.interfaceIndex("nosuch0"),
    sys.interfaceIndex(""),
    sys.interfaceIndex("x".repeat(200)),
  ]).toEqual([0, 0, 0]);
});

test("a service has a port by protocol, another name has none", () => {
  expect([sys.servicePort("ssh", "tcp"), sys.servicePort("domain", "udp")]).toEqual([22, 53]);
  expect([sys.servicePort("ssh", "udp"), sys.servicePort("no such service", "tcp")]).toEqual([null, null]);
  expect(() => sys.servicePort("ssh", "x".repeat(20) as "tcp")).toThrow(TypeError);
});
