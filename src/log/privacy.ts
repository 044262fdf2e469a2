/**
 * `daemon.log.addresses`: how much of a client's address the log has. The one place that knows which fields of an event
 * hold one. The daemon's own addresses stay, and so does the name of a Unix peer, which is nobody's address; what
 * handlers write to stderr is theirs.
 */
import { addressBytes, formatPrefix, type Prefix } from "../net/prefix.ts";
import type { DaemonEvent } from "./events.ts";

export type AddressChoice = "full" | "prefix" | "none";

/** What a log has in place of a value that is not given, as in the Common Log Format. */
const hidden = "-";

/** What one customer usually has at most, so that a prefix stands for many: a /24, a /48. */
const v4Bits = 24;
const v6Bits = 48;

/** The event as it may be logged. The sentence is made of it. */
export function hidePeers(choice: AddressChoice, event: DaemonEvent): DaemonEvent {
  if (choice === "full") return event;
  switch (event.event) {
    case "connection.accepted":
      return { ...event, remote: hideAddress(choice, event.remote) };
    case "connection.refused":
    case "connection.closed": {
      const remote = hideAddress(choice, event.remote);
      if (event.error === undefined) return { ...event, remote };
      return { ...event, remote, error: replaceAddress(event.error, event.remote, remote) };
    }
    default:
      return event;
  }
}

/**
 * Without its port, which with the time would tell one client of a shared address from another.
 * @param remote in canonical form: `tcp://192.0.2.7:5` becomes `tcp://192.0.2.0/24`
 */
export function hideAddress(choice: "prefix" | "none", remote: string): string {
  const parts = partsOf(remote);
  if (parts === null) return remote;
  return choice === "none" ? hidden : `${parts.kind}://${formatPrefix(parts.network)}`;
}

/** An error that names the client does so with or without its port. */
function replaceAddress(text: string, remote: string, shown: string): string {
  const parts = partsOf(remote);
  if (parts === null) return text;
  return text
    .replaceAll(remote, shown)
    .replaceAll(parts.host, shown === hidden ? hidden : formatPrefix(parts.network));
}

/** `null` for what is no Internet address. */
function partsOf(remote: string): { kind: string; host: string; network: Prefix } | null {
  const match = /^(tcp|udp):\/\/\[?([^\]]*?)(?:%[^\]]*)?\]?:\d+$/.exec(remote);
  const [, kind = "", host = ""] = match ?? [];
  const bytes = addressBytes(host);
  return bytes === null ? null : { kind, host, network: networkOf(bytes) };
}

function networkOf(bytes: number[]): Prefix {
  const family = bytes.length === 4 ? 4 : 6;
  // 6to4 (RFC 3056): the IPv4 address of the client's router stands in bits 16 to 47.
  const is6to4 = bytes[0] === 0x20 && bytes[1] === 0x02;
  const bits = family === 4 ? v4Bits : is6to4 ? 16 + v4Bits : v6Bits;
  // All three lengths are whole bytes.
  return { family, bits, bytes: bytes.map((byte, index) => (index < bits / 8 ? byte : 0)) };
}
