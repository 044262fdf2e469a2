/** The BPF programs on hand-made packets. What the kernel itself makes of them is proven in test/native/filter.test.ts. */
import { describe, expect, test } from "vitest";
import { dropSyn, mostPorts, onlyLocalPorts, passAll } from "../../../src/net/filter.ts";
import { type Packet, run } from "./bpf.ts";

const everything = 0xffff_ffff;

const [fin, syn, rst, psh, ack, urg, ece, cwr] = [1, 2, 4, 8, 16, 32, 64, 128] as const;

/** A TCP header with these flags, and whatever comes behind it. */
function tcp(flags: number, options: readonly number[] = [], payload: readonly number[] = []): number[] {
  const words = 5 + options.length / 4;
  // Ports and sequence numbers are all ones, so that a wrong offset finds every flag set.
  return [
    ...Array(12).fill(0xff),
    words << 4,
    flags,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    ...options,
    ...payload,
  ];
}

/** As a filter sees a segment in an IPv4 packet, with IP options or without, or in an IPv6 packet. */
const carriers: [string, (transport: number[]) => Packet][] = [
  ["IPv4", (transport) => ({ network: [0x45, ...Array(19).fill(0xff), ...transport], transport })],
  [
    "IPv4 with options",
    (transport) => ({ network: [0x4f, ...Array(59).fill(0xff), ...transport], transport }),
  ],
  ["IPv6", (transport) => ({ network: [0x60, ...Array(39).fill(0xff), ...transport], transport })],
];

const mostSegmentSize = [2, 4, 5, 0xb4];

describe.each(carriers)("over %s", (_name, carry) => {
  test.each([
    ["a knock", syn, 0],
    ["a knock that offers ECN", syn | ece | cwr, 0],
    ["a knock with urgent data", syn | urg, 0],
    ["SYN with FIN, which nobody sends", syn | fin, 0],
    ["SYN with RST, which nobody sends", syn | rst, 0],
    ["the answer to a knock", syn | ack, everything],
    ["the end of a handshake, and any data", ack, everything],
    ["data to be pushed", ack | psh, everything],
    ["the end of data", ack | fin, everything],
    ["a reset", rst, everything],
    ["a reset that acknowledges", rst | ack, everything],
    ["nothing at all", 0, everything],
  ])("%s", (_what, flags, kept) => {
    for (const segment of [tcp(flags), tcp(flags, mostSegmentSize), tcp(flags, [], Array(1460).fill(0xff))]) {
      expect(run(dropSyn(), carry(segment))).toBe(kept);
      expect(run(passAll(), carry(segment))).toBe(everything);
    }
  });

  test("of all 256 combinations, those with SYN and without ACK are dropped", () => {
    const dropped = Array.from({ length: 256 }, (_, flags) => flags).filter(
      (flags) => run(dropSyn(), carry(tcp(flags))) === 0,
    );
    expect(dropped).toHaveLength(64);
    expect(dropped.every((flags) => (flags & syn) !== 0 && (flags & ack) === 0)).toBe(true);
  });
});

describe("messages of sockets that go", () => {
  /** struct nlmsghdr and the beginning of struct inet_diag_msg. */
  function message(localPort: number, remotePort: number): Packet {
    const ports = [localPort >> 8, localPort & 0xff, remotePort >> 8, remotePort & 0xff];
    return { transport: [...Array(16).fill(0xff), 2, 7, 0, 0, ...ports, ...Array(64).fill(0xff)] };
  }

  test("with one of the ports at our end", () => {
    const program = onlyLocalPorts([22, 8080, 65535]);
    for (const port of [22, 8080, 65535]) expect(run(program, message(port, 1))).toBe(everything);
    for (const port of [0, 21, 23, 8079, 8336, 0x161f]) expect(run(program, message(port, 22))).toBe(0);
    expect(run(onlyLocalPorts([]), message(22, 22))).toBe(0);
  });

  test("with very many ports all are let in, rather than a program that the kernel refuses", () => {
    const ports = Array.from({ length: mostPorts + 1 }, (_, n) => n + 1);
    expect(run(onlyLocalPorts(ports.slice(1)), message(60000, 1))).toBe(0);
    expect(run(onlyLocalPorts(ports.slice(1)), message(mostPorts + 1, 1))).toBe(everything);
    expect(run(onlyLocalPorts(ports), message(60000, 1))).toBe(everything);
  });
});
