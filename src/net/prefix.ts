/** Addresses and networks as access rules name them: "10.0.0.0/8", "::1". */
import { isIPv4, isIPv6 } from "node:net";
import { err, ok, type Result } from "../util/result.ts";

/** The addresses that agree with `bytes` in the first `bits` bits; all later bits are zero. */
export interface Prefix {
  family: 4 | 6;
  /** 4 or 16 bytes, in network order. */
  bytes: number[];
  bits: number;
}

/**
 * An address, or a network in CIDR form. IPv4 mapped into IPv6 becomes IPv4, as peers do.
 * @returns or what is wrong with the text, to stand behind it
 */
export function parsePrefix(text: string): Result<Prefix, string> {
  const [address = "", lengthText, ...more] = text.split("/");
  const bytes = addressBytes(address);
  if (bytes === null || more.length > 0) return err("is neither an address nor a network such as 10.0.0.0/8");
  const all = bytes.length * 8;
  if (lengthText !== undefined && !/^\d{1,3}$/.test(lengthText))
    return err("has no prefix length behind its slash");
  const bits = lengthText === undefined ? all : Number(lengthText);
  if (bits > all) return err(`has a prefix longer than the ${all} bits of an address`);
  const network = masked(bytes, bits);
  const prefix = withoutMapping({ family: bytes.length === 4 ? 4 : 6, bytes: network, bits });
  if (bytes.some((byte, index) => byte !== network[index])) {
    return err(`has bits set behind its prefix; the network is ${formatPrefix(prefix)}`);
  }
  return ok(prefix);
}

/** The shortest text that `parsePrefix` reads back; an address stands without its length. */
export function formatPrefix({ family, bytes, bits }: Prefix): string {
  const address = family === 4 ? bytes.join(".") : formatIPv6(bytes);
  return bits === bytes.length * 8 ? address : `${address}/${bits}`;
}

/** The 4 or 16 bytes of an address without scope, or `null` if the text is none. */
export function addressBytes(address: string): number[] | null {
  if (isIPv4(address)) return address.split(".").map(Number);
  if (!isIPv6(address) || address.includes("%")) return null;
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const words = tail === null ? address : `${tail[1]}${hexWords(tail[2] ?? "")}`;
  const [head = "", rest] = words.split("::");
  const before = sixteenBits(head);
  const after = sixteenBits(rest ?? "");
  const gap = Array.from({ length: 16 - before.length - after.length }, () => 0);
  return [...before, ...gap, ...after];
}

/** `1.2.3.4` as the two groups `102:304`. */
function hexWords(dotted: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split(".").map(Number);
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

function sixteenBits(groups: string): number[] {
  if (groups === "") return [];
  return groups.split(":").flatMap((group) => {
    const word = Number.parseInt(group, 16);
    return [word >> 8, word & 0xff];
  });
}

function masked(bytes: readonly number[], bits: number): number[] {
  return bytes.map((byte, index) => {
    const kept = Math.max(0, Math.min(8, bits - index * 8));
    return byte & (0xff00 >> kept) & 0xff;
  });
}

function withoutMapping(prefix: Prefix): Prefix {
  const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];
  if (prefix.family === 4 || prefix.bits < 96 || mapped.some((byte, index) => byte !== prefix.bytes[index]))
    return prefix;
  return { family: 4, bytes: prefix.bytes.slice(12), bits: prefix.bits - 96 };
}

/** RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups as `::`. */
function formatIPv6(bytes: readonly number[]): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0)).toString(16),
  );
  let start = -1;
  let length = 1;
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (to < 8 && groups[to] === "0") to += 1;
    if (to - from > length) [start, length] = [from, to - from];
  }
  if (start < 0) return groups.join(":");
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}`;
}
