/** What opening a listener can fail with, and the words for what the kernel says. */
import type { SocketAddress, SystemError } from "../native/sys.ts";
import { err, type Result } from "../util/result.ts";
import type { OptionFailure } from "./options.ts";

/** Why one socket could not be opened. */
export interface OpenFailure {
  /** The errno's name, where it was the kernel that refused. */
  code: string | null;
  /** A phrase to stand behind "cannot bind ...: ". */
  reason: string;
  /** Who holds the address, where that is known already. */
  pid: number | null;
  /** Another daemon is at work on this very path and will be done in a moment. */
  busy: boolean;
}

export function failed(code: string | null, reason: string): Result<never, OpenFailure> {
  return err({ code, reason, pid: null, busy: false });
}

export function inUse(pid: number | null): Result<never, OpenFailure> {
  return err({ code: "EADDRINUSE", reason: "address in use", pid, busy: false });
}

export function optionFailed({ option, code, reason }: OptionFailure): Result<never, OpenFailure> {
  return failed(code, `${option}: ${reason}`);
}

/** What an error of socket(2), bind(2), listen(2) ... means for this address. */
export function systemFailed(
  { code, syscall }: SystemError,
  address: SocketAddress,
): Result<never, OpenFailure> {
  return failed(code, words(code, address) ?? `${syscall}: ${code}`);
}

function words(code: string, address: SocketAddress): string | null {
  switch (code) {
    case "EADDRINUSE":
      return "address in use";
    case "EADDRNOTAVAIL":
      return "this machine does not have that address (free_bind = true binds it all the same)";
    case "EAFNOSUPPORT":
      return address.family === "inet6" ? "IPv6 is off on this machine" : null;
    case "EACCES":
      return address.family === "unix" ? null : "ports this low need root or CAP_NET_BIND_SERVICE";
    case "EINVAL":
      return isLinkLocal(address) ? "a link-local address needs its interface, as in [fe80::1%eth0]" : null;
    case "ENAMETOOLONG":
      return "the name is longer than 107 bytes";
    case "EMFILE":
    case "ENFILE":
      return "no descriptors are left";
    default:
      return null;
  }
}

/** fe80::/10 without a scope. */
function isLinkLocal(address: SocketAddress): boolean {
  return address.family === "inet6" && address.scope === 0 && /^fe[89ab][0-9a-f]:/i.test(address.address);
}
