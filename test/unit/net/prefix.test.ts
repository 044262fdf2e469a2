import { isIPv6 } from "node:net";
import { describe, expect, test } from "vitest";
import { addressBytes, formatPrefix, parsePrefix } from "../../../src/net/prefix.ts";

describe("addresses and networks of access rules", () => {
  test.each([
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["10.1.2.3", "10.1.2.3"],
    ["10.1.2.3/32", "10.1.2.3"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["192.168.1.128/25", "192.168.1.128/25"],
    ["::1", "::1"],
    ["::/0", "::/0"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8::/32", "2001:db8::/32"],
    ["fe80::/10", "fe80::/10"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
    ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
  ])("%s is %s", (text, canonical) => {
    const prefix = parsePrefix(text);
    expect(prefix.ok && formatPrefix(prefix.value)).toBe(canonical);
  });

  test.each([
    ["", "is neither an address nor a network such as 10.0.0.0/8"],
    ["10.0.0", "is neither an address nor a network such as 10.0.0.0/8"],
    ["example.com", "is neither an address nor a network such as 10.0.0.0/8"],
    ["10.0.0.0/8/8", "is neither an address nor a network such as 10.0.0.0/8"],
    ["fe80::1%eth0", "is neither an address nor a network such as 10.0.0.0/8"],
    ["10.0.0.0/33", "has a prefix longer than the 32 bits of an address"],
    ["::/129", "has a prefix longer than the 128 bits of an address"],
    ["10.0.0.0/", "has no prefix length behind its slash"],
    ["10.0.0.0/-1", "has no prefix length behind its slash"],
    ["10.0.0.1/8", "has bits set behind its prefix; the network is 10.0.0.0/8"],
    ["2001:db8::1/32", "has bits set behind its prefix; the network is 2001:db8::/32"],
    ["::ffff:10.0.0.1/104", "has bits set behind its prefix; the network is 10.0.0.0/8"],
  ])("%j %s", (text, reason) => {
    expect(parsePrefix(text)).toEqual({ ok: false, error: reason });
  });

  test("every shape of an IPv6 address has 16 bytes, and is written so that it means the same", () => {
    const groups = ["0", "1", "ffff"];
    for (let shape = 0; shape < 3 ** 8; shape += 7) {
      const words = Array.from(
        { length: 8 },
        (_, index) => groups[Math.floor(shape / 3 ** index) % 3] ?? "0",
      );
      const address = words.join(":");
      const bytes = addressBytes(address);
      expect(bytes).toHaveLength(16);
      const text = formatPrefix({ family: 6, bytes: bytes ?? [], bits: 128 });
      expect(isIPv6(text), text).toBe(true);
      expect(addressBytes(text)).toEqual(bytes);
    }
  });
});
