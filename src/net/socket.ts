/** A new socket that is kept only if what is done with it succeeds. */
import { type Fd, isSystemError, type SocketAddress, type Sys } from "../native/sys.ts";
import type { Result } from "../util/result.ts";
import { type OpenFailure, systemFailed } from "./failure.ts";
import { type SocketKind, socketTypes } from "./kind.ts";

/** @param bind keeps the socket if it succeeds; it is closed if that fails or throws */
export function withSocket<T>(
  sys: Sys,
  kind: SocketKind,
  address: SocketAddress,
  bind: (fd: Fd) => Result<T, OpenFailure>,
): Result<T, OpenFailure> {
  let fd: Fd | null = null;
  try {
    fd = sys.socket(address.family, socketTypes[kind]);
    const bound = bind(fd);
    if (bound.ok) fd = null;
    return bound;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return systemFailed(error, address);
  } finally {
    if (fd !== null) sys.close(fd);
  }
}
