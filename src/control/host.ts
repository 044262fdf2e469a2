/** Under which names we may be asked over TCP: pure. */
import { isIPv4, isIPv6 } from "node:net";

/**
 * Whether a request names, once, an address or `localhost`, with or without a port (RFC 9110, 7.2). Whoever has a domain
 * can have its name lead to our address, and a browser then takes our answers for that domain's own; no name but these
 * is safe from that.
 * @param hosts the Host fields of the request
 */
export function isLiteralHost(hosts: readonly string[]): boolean {
  const [host = "", ...more] = hosts;
  const name = /^(\[[^\]]*\]|[^:]*)(?::\d{1,5})?$/.exec(host)?.[1] ?? "";
  if (more.length > 0) return false;
  if (name.toLowerCase() === "localhost") return true;
  return name.startsWith("[") ? isIPv6(name.slice(1, -1)) : isIPv4(name);
}
