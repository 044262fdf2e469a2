/** What an error of accept4(2) means for the one who accepts. Pure. */

/**
 * `transient`: this one connection is gone, the next may be fine. `shortage`: no descriptor or memory is left, every
 * try fails until something is freed. `broken`: the listener itself is of no use any more.
 */
export type AcceptTrouble = "transient" | "shortage" | "broken";

/** accept(2), "Error handling": Linux passes errors that are already pending on the new socket on as its own. */
const transient = new Set([
  "ECONNABORTED",
  "EPROTO",
  "EPERM",
  "EINTR",
  "ENETDOWN",
  "ENOPROTOOPT",
  "EHOSTDOWN",
  "ENONET",
  "EHOSTUNREACH",
  "EOPNOTSUPP",
  "ENETUNREACH",
  "ETIMEDOUT",
  "ECONNRESET",
  "EPIPE",
]);

const shortage = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EAGAIN"]);

export function classifyAcceptError(code: string): AcceptTrouble {
  if (transient.has(code)) return "transient";
  return shortage.has(code) ? "shortage" : "broken";
}

/** Whether starting a process failed for want of something that will be freed, rather than for what was asked. */
export function isShortage(code: string): boolean {
  return shortage.has(code);
}
