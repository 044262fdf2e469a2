/** What a service must say because of something else that it says. */
import type { ServiceConfig } from "./config.ts";
import type { VerifyOptions } from "./verify.ts";

export interface Missing {
  /** The key to blame; `null`: the service as a whole. */
  key: string | null;
  message: string;
  hint: string | null;
}

/**
 * @param service with all defaults in place
 * @param written the keys that its own table has, also those that are wrong
 */
export function requirements(
  service: ServiceConfig,
  written: ReadonlySet<string>,
  options: VerifyOptions,
): Missing[] {
  const missing: Missing[] = [];
  const need = (key: string | null, message: string, hint: string | null = null) =>
    missing.push({ key, message, hint });
  const says = (...keys: string[]) => keys.some((key) => written.has(key));

  if (!says("listen"))
    need(null, `service "${service.name}" does not say where to listen`, 'as in listen = "*:7000"');
  if (service.handoff === "builtin") {
    if (says("command"))
      need(
        "command",
        "a service has a command or is built in, not both",
        "leave out one of `command` and `builtin`",
      );
    if (says("handoff")) need("handoff", "a built-in has no handoff", "leave out `handoff`");
    if (hasKind(service, "udp") && service.allow === null) {
      need("builtin", "a built-in on UDP needs an `allow` list, so that it answers no forged address");
    }
    if (service.builtin === "banner" && service.banner === null)
      need("builtin", "the built-in banner needs the text in `banner`");
  } else {
    if (!says("command")) need(null, `service "${service.name}" needs a command`, "or a `builtin`");
    if (options.uid === 0 && service.user === null && !says("user")) {
      const message = `service "${service.name}" does not say as whom to run, and the daemon is root`;
      need(
        null,
        message,
        `as in ${options.write("user", "nobody")}, or ${options.write("user", "root")} if it must be`,
      );
    }
  }
  if (service.handoff === "proxy" && !says("upstream")) {
    need("handoff", 'handoff = "proxy" needs the address of the daemon in `upstream`');
  }
  if (service.handoff === "proxy" && service.replace === "overlap") {
    need("replace", "two daemons cannot have the same upstream at once", 'leave it at "stop-first"');
  }
  if (service.proxyProtocol !== null && service.trustedProxies === null && !says("trusted_proxies")) {
    need("proxy_protocol", "proxy_protocol needs `trusted_proxies`: nobody else may say who a client is");
  }
  const { ready } = service;
  const isHttp = typeof ready === "object" && "http" in ready;
  if (isHttp && service.handoff === "pass") {
    need("ready", "ready = { http } cannot reach a worker of pass, which accepts nothing before it is ready");
  }
  if (typeof ready === "object" && "log" in ready && service.stderr !== "log") {
    need("ready", "ready = { log } reads what the worker writes on its stderr", 'it needs stderr = "log"');
  }
  const { min, max } = service.workers;
  if (min > max) need("workers", `workers.min (${min}) is above workers.max (${max})`);
  for (const { key, isSet, needs } of withoutEffect(service)) {
    if (says(key) && !isSet) need(key, `${key} has no effect without ${needs}`);
  }
  return missing;
}

/** Keys that mean something only together with another. */
function withoutEffect(service: ServiceConfig): { key: string; isSet: boolean; needs: string }[] {
  return [
    { key: "trusted_proxies", isSet: service.proxyProtocol !== null, needs: "`proxy_protocol`" },
    {
      key: "first_byte_timeout",
      isSet: service.wakeOn === "data" || service.firstByteTimeout === 10_000,
      needs: '`wake_on = "data"`',
    },
    {
      key: "on_idle",
      isSet: service.idleTimeout !== null || service.onIdle === "stop",
      needs: "`idle_timeout`",
    },
    {
      key: "max_frozen",
      isSet: service.onIdle === "freeze" || service.maxFrozen === 3_600_000,
      needs: '`on_idle = "freeze"`',
    },
    {
      key: "accept_timeout",
      isSet: service.proxyProtocol !== null || service.acceptTimeout === 5_000,
      needs: "`proxy_protocol`",
    },
  ];
}

function hasKind(service: ServiceConfig, kind: string): boolean {
  return service.listeners.some(({ endpoint }) => endpoint.kind === kind);
}
