/** Reads `listen`: addresses and tables of an address with options become listeners, each with all its options. */
import type { Endpoint, EndpointKind } from "../net/address.ts";
import { parseAddress } from "../net/parse-address.ts";
import { describe } from "../util/describe.ts";
import type { ListenerConfig, ListenerOptions } from "./config.ts";
import { isTable } from "./located.ts";
import { listenerTable, serviceTable } from "./schema/index.ts";
import { type KeyTable, rowsOf } from "./schema/key.ts";
import { defaultsOf, knownKey, readTable, type TableContext } from "./table.ts";

const ip: readonly EndpointKind[] = ["tcp", "udp"];
const streams: readonly EndpointKind[] = ["tcp", "unix", "unix-seqpacket"];
const nodes: readonly EndpointKind[] = ["unix", "unix-dgram", "unix-seqpacket", "fifo"];
const sockets: readonly EndpointKind[] = ["tcp", "udp", "unix", "unix-dgram", "unix-seqpacket"];
/** A socket that we are given is bound already, but can still be told these. */
export const adoptedKinds: readonly EndpointKind[] = ["systemd", "fd"];

/** Which kinds of listener can take an option; one that is not here goes with all. */
export const optionKinds: Readonly<Record<string, readonly EndpointKind[]>> = {
  backlog: [...streams, ...adoptedKinds],
  mode: nodes,
  owner: nodes,
  group: nodes,
  directory_mode: nodes,
  v6only: ip,
  reuse_port: ip,
  free_bind: ip,
  transparent: ip,
  device: ip,
  defer_accept: ["tcp", ...adoptedKinds],
  no_delay: ["tcp", ...adoptedKinds],
  keep_alive: ["tcp", ...adoptedKinds],
  receive_buffer: [...sockets, ...adoptedKinds],
  send_buffer: [...sockets, ...adoptedKinds],
  mark: [...ip, ...adoptedKinds],
  priority: [...ip, ...adoptedKinds],
  tos: [...ip, ...adoptedKinds],
  ttl: [...ip, ...adoptedKinds],
  congestion: ["tcp", ...adoptedKinds],
  fast_open: ["tcp", ...adoptedKinds],
  broadcast: ["udp", ...adoptedKinds],
  multicast: ["udp", ...adoptedKinds],
  packet_info: ["udp", ...adoptedKinds],
};

const nodeOptions = ["mode", "owner", "group", "directory_mode"];

/** Why an option does not go with a listener, or `null`. */
export function optionMisfit(option: string, endpoint: Endpoint): string | null {
  const kinds = Object.hasOwn(optionKinds, option) ? optionKinds[option] : undefined;
  if (kinds !== undefined && !kinds.includes(endpoint.kind)) {
    return `goes with ${kinds.filter((kind) => !adoptedKinds.includes(kind)).join(", ")} only`;
  }
  if (nodeOptions.includes(option) && "path" in endpoint && endpoint.path.startsWith("@")) {
    return "is about a node in the file system, and an abstract name has none";
  }
  const onIPv4 =
    "family" in endpoint &&
    (endpoint.family === 4 || (endpoint.host !== null && /^[\d.]+$/.test(endpoint.host)));
  return option === "v6only" && onIPv4 ? "is about IPv6 addresses" : null;
}

/** What may stand in a table of `listen`. The address has been taken out before: here it is a name to hint at. */
const elementTable: KeyTable = { address: serviceTable.listen, ...listenerTable };

interface Declared {
  endpoints: Endpoint[];
  declared: string;
  /** What stands beside the address, as in code. */
  own: Record<string, unknown>;
  path: string[];
}

const listenerDefaults = defaultsOf(listenerTable);
const optionNames = new Map([...rowsOf(listenerTable).values()].map(({ key, name }) => [name, key]));

/**
 * @param value what stands in `listen`
 * @param shared `socket` of the defaults and of the service: each listener takes what goes with it
 * @param context of the service's table
 */
export function readListeners(
  value: unknown,
  shared: Record<string, unknown>,
  context: TableContext,
): ListenerConfig[] {
  const many = Array.isArray(value);
  // A list of nothing is refused as the address that it is not.
  const elements: unknown[] = many && value.length > 0 ? value : [value];
  const declared = elements.flatMap((element, index) =>
    readElement(element, element === value ? [] : [String(index)], context),
  );
  for (const one of declared) checkOptions(one, context);
  return declared.flatMap((one) =>
    one.endpoints.map((endpoint) => makeListener(endpoint, one, shared, context)),
  );
}

/** The ports of a range are all of one kind: the first stands for them. */
function checkOptions({ endpoints: [endpoint], own, path }: Declared, context: TableContext): void {
  if (endpoint === undefined) return;
  for (const name of Object.keys(own)) {
    const option = optionNames.get(name) ?? name;
    const misfit = optionMisfit(option, endpoint);
    if (misfit !== null) report(context, [...path, option], `listen: ${option} ${misfit}`, null, "key");
  }
}

function readElement(element: unknown, steps: string[], context: TableContext): Declared[] {
  const path = ["listen", ...steps];
  if (!isTable(element)) return readAddress(element, path, {}, path, context);
  const { address, ...options } = element;
  const own = readTable(elementTable, options, { ...context, path: [...context.path, ...path] });
  // The unknown key that was meant for it has been reported.
  if (address === undefined && Object.keys(options).some((key) => knownKey(elementTable, key) === "address"))
    return [];
  return readAddress(address, path, own, [...path, "address"], context);
}

function readAddress(
  address: unknown,
  path: string[],
  own: Record<string, unknown>,
  addressPath: string[],
  context: TableContext,
): Declared[] {
  if (typeof address !== "string" && !(typeof address === "number" && Number.isInteger(address))) {
    const message =
      address === undefined
        ? "listen: a listener needs an `address`"
        : `listen: expected an address such as 7000, "127.0.0.1:7000" or "/run/x.sock", not ${describe(address)}`;
    report(context, addressPath, message, null);
    return [];
  }
  const parsed = parseAddress(address);
  if (parsed.ok) return [{ endpoints: parsed.value, declared: String(address), own, path }];
  report(context, addressPath, `listen: ${describe(address)}: ${parsed.error.message}`, parsed.error.hint);
  return [];
}

function makeListener(
  endpoint: Endpoint,
  { declared, own, path }: Declared,
  shared: Record<string, unknown>,
  context: TableContext,
): ListenerConfig {
  const options: Record<string, unknown> = { ...listenerDefaults };
  for (const [name, value] of Object.entries(shared)) {
    if (optionMisfit(optionNames.get(name) ?? name, endpoint) === null) options[name] = value;
  }
  Object.assign(options, own);
  options.name ??= context.service;
  const position = context.located.at([...context.path, ...path], "value");
  return { endpoint, declared, options: options as ListenerOptions, position };
}

/** Options of `socket` that no listener of the service can take. */
export function unusedOptions(
  shared: Record<string, unknown>,
  listeners: readonly ListenerConfig[],
): string[] {
  const options = Object.keys(shared).map((name) => optionNames.get(name) ?? name);
  return options.filter((option) =>
    listeners.every(({ endpoint }) => optionMisfit(option, endpoint) !== null),
  );
}

function report(
  context: TableContext,
  steps: readonly string[],
  message: string,
  hint: string | null,
  part: "key" | "value" = "value",
): void {
  const path = [...context.path, ...steps];
  context.problems.push({
    position: context.located.at(path, part),
    message,
    hint,
    service: context.service,
    key: path.join("."),
  });
}
