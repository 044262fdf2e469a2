/**
 * An interpreter of classic BPF (linux/filter.h), as far as the programs of net/filter.ts go: what the kernel would make
 * of a packet. Strict where the kernel's checker is: an unknown instruction, a jump out of the program or a load beyond
 * the packet ends the test, or drops the packet, as it does there.
 */
import type { Program } from "../../../src/net/filter.ts";

/** SKF_NET_OFF, as the unsigned number of an instruction. */
const networkOffset = 0xfff0_0000;

/** What a filter of a TCP socket sees: `transport` from offset 0, `network` (IP header and all behind) from SKF_NET_OFF. */
export interface Packet {
  network?: readonly number[];
  transport: readonly number[];
}

/** How many bytes of the packet the program keeps; 0 drops it. */
export function run(program: Program, packet: Packet): number {
  if (program.length === 0 || program.length % 4 !== 0) throw new Error("not a program");
  let accumulator = 0;
  for (let at = 0; ; at++) {
    const [code, jumpTrue = 0, jumpFalse = 0, k = 0] = program.slice(at * 4, at * 4 + 4);
    switch (code) {
      case undefined:
        throw new Error("ran beyond the program's end");
      case 0x20: // ld [k]
      case 0x28: // ldh [k]
      case 0x30: {
        // ldb [k]
        const loaded = load(packet, k, 4 >> ((code >> 3) & 3));
        if (loaded === null) return 0;
        accumulator = loaded;
        break;
      }
      case 0x54: // and #k
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x15: // jeq #k
        at += accumulator === k ? jumpTrue : jumpFalse;
        break;
      case 0x06: // ret #k
        return k;
      default:
        throw new Error(`no instruction 0x${code.toString(16)}`);
    }
  }
}

/** In network order; `null` beyond the packet. */
function load(packet: Packet, offset: number, size: number): number | null {
  const beginning = offset >= networkOffset;
  const bytes = beginning ? (packet.network ?? []) : packet.transport;
  const from = beginning ? offset - networkOffset : offset;
  if (from + size > bytes.length) return null;
  return bytes.slice(from, from + size).reduce((value, byte) => value * 256 + byte, 0);
}
