/** Two listeners that want one address. */
import { type Endpoint, formatEndpoint, type InternetEndpoint } from "../net/address.ts";
import type { ListenerConfig, ServiceConfig } from "./config.ts";
import { formatPosition, type Problem } from "./problem.ts";

interface Claim {
  service: ServiceConfig;
  listener: ListenerConfig;
}

/**
 * Reports what the kernel would refuse: the same address twice, and one of all addresses beside a single one on the
 * same port (Linux lets two listening TCP sockets overlap only if both set SO_REUSEPORT). Services that are not enabled
 * take no part. Linear in the number of listeners.
 */
export function duplicateAddresses(services: readonly ServiceConfig[]): Problem[] {
  const problems: Problem[] = [];
  const claims = new Map<string, Claim[]>();
  for (const service of services) {
    if (!service.enabled) continue;
    for (const listener of service.listeners) {
      const place = placeOf(listener.endpoint);
      if (place === null) continue;
      const others = claims.get(place) ?? [];
      const claim = { service, listener };
      const rival = others.find((other) => overlap(other.listener, listener));
      if (rival === undefined) claims.set(place, [...others, claim]);
      else problems.push(conflict(rival, claim));
    }
  }
  return problems;
}

/** What two listeners must share to be in each other's way; `null`: nobody can be (a free port). */
function placeOf(endpoint: Endpoint): string | null {
  if (endpoint.kind === "tcp" || endpoint.kind === "udp") {
    return endpoint.port === 0 ? null : `${endpoint.kind} ${endpoint.port}`;
  }
  // A node of the file system is one, whatever is behind it.
  return "path" in endpoint && endpoint.path.startsWith("/") ? endpoint.path : formatEndpoint(endpoint);
}

function overlap(a: ListenerConfig, b: ListenerConfig): boolean {
  const [one, two] = [a.endpoint, b.endpoint];
  if (!("family" in one) || !("family" in two)) return true;
  if (a.options.device !== b.options.device && a.options.device !== null && b.options.device !== null)
    return false;
  if (one.host === two.host && one.family === two.family) return true;
  if (a.options.reusePort && b.options.reusePort) return false;
  const families = familiesOf(one, a.options.v6only).filter((family) =>
    familiesOf(two, b.options.v6only).includes(family),
  );
  return families.length > 0 && (isWildcard(one) || isWildcard(two) || one.host === two.host);
}

function isWildcard({ host }: InternetEndpoint): boolean {
  return host === null || host === "0.0.0.0" || host === "::";
}

/** Which families an address takes. A name may take either; it is only looked up when it is bound, so it takes none. */
function familiesOf({ host, family }: InternetEndpoint, v6only: boolean): (4 | 6)[] {
  if (family !== "any") return [family];
  if (host === null || host === "::") return v6only ? [6] : [4, 6];
  if (host.includes(":")) return [6];
  return /^[\d.]+$/.test(host) ? [4] : [];
}

function conflict(first: Claim, second: Claim): Problem {
  const [mine, other] = [second.listener, first.listener];
  const same = formatEndpoint(mine.endpoint) === formatEndpoint(other.endpoint);
  const owner = first.service === second.service ? "this service" : `service "${first.service.name}"`;
  const what = same ? "is already taken by" : `overlaps with ${formatEndpoint(other.endpoint)} of`;
  return {
    position: mine.position,
    message: `listen: ${formatEndpoint(mine.endpoint)} ${what} ${owner} (${formatPosition(other.position)})`,
    hint: null,
    service: second.service.name,
    key: "listen",
  };
}
