/** Constants of the kernel's headers by name, as the addon knows them for this architecture. */
import type { Sys } from "../native/sys.ts";

/**
 * The value of `name` (`SO_RCVBUF`, `IPPROTO_IPV6` ...).
 * @throws when the addon's table lacks it: that is a bug of ours, not a property of the machine
 */
export function constant(sys: Pick<Sys, "constants">, name: string): number {
  const value = sys.constants[name];
  if (value === undefined) throw new Error(`the addon knows no constant ${name}`);
  return value;
}
