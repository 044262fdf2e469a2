/** Types for addresses of peers, for where to connect to and for hours of access. */
import { z } from "zod";
import { type Endpoint, formatEndpoint } from "../../../net/address.ts";
import { parseAddress } from "../../../net/parse-address.ts";
import { addressBytes, formatPrefix, parsePrefix } from "../../../net/prefix.ts";
import { nearest } from "../../../util/nearest.ts";
import { err, ok, type Result } from "../../../util/result.ts";
import { parsed, type Refusal } from "./basic.ts";

/** Words for networks, beside addresses: what "private" and "loopback" hold is said in admission. */
const networkWords = ["private", "loopback"];

/** An address, a network, or a word for several: kept as a text in canonical form. */
export const network: z.ZodType<string> = parsed<string, string>(
  z.string({ error: () => 'expected an address, a network such as "10.0.0.0/8", "private" or "loopback"' }),
  (input) => {
    if (networkWords.includes(input)) return ok(input);
    const prefix = parsePrefix(input);
    if (prefix.ok) return ok(formatPrefix(prefix.value));
    const near = nearest(input, networkWords);
    return err({
      message: `${JSON.stringify(input)} ${prefix.error}`,
      hint: near === null ? null : `did you mean "${near}"?`,
    });
  },
  (value) => value,
);

/** A multicast group, with the interface to join it on where one is named (RFC 4007): `ff02::fb%eth0`. */
export const multicastGroup: z.ZodType<string> = parsed<string, string>(
  z.string({ error: () => 'expected the address of a multicast group such as "224.0.0.251"' }),
  (input) => {
    const [, address = "", scope = ""] = /^([^%]*)(%[^%/\s]{1,15})?$/.exec(input) ?? [];
    const bytes = addressBytes(address);
    const first = bytes?.[0] ?? 0;
    const isGroup = bytes?.length === 4 ? first >= 224 && first < 240 : first === 255;
    if (isGroup) return ok(`${address}${scope}`);
    return err({
      message: `${JSON.stringify(input)} is not the address of a multicast group`,
      hint: 'as in "224.0.0.251" or "ff02::fb%eth0"',
    });
  },
  (value) => value,
);

/** One place to connect to: a TCP address with its host, or a Unix stream socket. */
export const connectTarget: z.ZodType<Endpoint> = endpoint("an address to connect to", (target) => {
  if (target.kind === "unix") return null;
  if (target.kind !== "tcp") return { message: "expected tcp://HOST:PORT or unix:/PATH" };
  if (target.host === null)
    return { message: "one host is needed to connect to", hint: `"127.0.0.1:${target.port}"` };
  return target.port === 0 ? { message: "nothing can be connected to on port 0" } : null;
});

/** One TCP address to listen on. */
export const tcpListener: z.ZodType<Endpoint> = endpoint("a TCP address", (target) =>
  target.kind === "tcp" ? null : { message: 'expected a TCP address such as "127.0.0.1:9464"' },
);

function endpoint(what: string, check: (target: Endpoint) => Refusal | null): z.ZodType<Endpoint> {
  return parsed<string | number, Endpoint>(
    z.union([z.string(), z.int()], { error: () => `expected ${what}` }),
    (input): Result<Endpoint, Refusal> => {
      const addresses = parseAddress(input);
      if (!addresses.ok)
        return err({ ...addresses.error, message: `${JSON.stringify(input)}: ${addresses.error.message}` });
      const [first, ...more] = addresses.value;
      if (first === undefined || more.length > 0)
        return err({ message: "expected one address, not a range" });
      const refusal = check(first);
      return refusal === null ? ok(first) : err(refusal);
    },
    formatEndpoint,
  );
}
