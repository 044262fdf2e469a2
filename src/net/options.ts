/**
 * Sets the socket options of a listener, checks that the kernel took them as declared, and puts them right again after
 * a handler that shared the socket has changed them (setsockopt outlives the process that calls it).
 */
import { type Fd, isSystemError, type Sys } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { constant } from "./constants.ts";
import type { SocketShape } from "./kind.ts";
import type { ListenerOptions } from "./listener-options.ts";
import { type OptionRow, optionTable } from "./option-table.ts";

export type { KeepAlive, ListenerOptions } from "./listener-options.ts";

/** The part of the addon that options need. */
export type OptionSys = Pick<Sys, "constants" | "getsockopt" | "getsockoptBytes" | "setsockopt">;

/** An option that is not as declared. `code` is the errno's name, or `null` if the kernel merely did otherwise. */
export interface OptionFailure {
  /** As inetd.toml spells it. */
  option: string;
  code: string | null;
  /** A phrase to stand behind the option's name. */
  reason: string;
}

/** The values of all options of a socket, by the kernel's names: plain data, so that it survives an upgrade. */
export type RecordedOptions = Record<string, number | string>;

/**
 * Sets what `options` declares, in the order of the table; borrows the socket.
 * @param stage `unbound` for a new socket; `bound` leaves out what only takes effect before bind(2)
 */
export function applyOptions(
  sys: OptionSys,
  fd: Fd,
  shape: SocketShape,
  options: ListenerOptions,
  stage: "unbound" | "bound",
): Result<void, OptionFailure> {
  for (const row of optionTable) {
    const wanted = row.value(options);
    if (
      wanted === undefined ||
      wanted === null ||
      !row.applies(shape) ||
      (stage === "bound" && row.when === "bind")
    )
      continue;
    const failure = setOption(sys, fd, shape, row, wanted);
    if (failure !== null) return err(failure);
  }
  return ok(undefined);
}

/** The present value of every option of this kind of socket, to be given to `repairOptions` later. */
export function recordOptions(sys: OptionSys, fd: Fd, shape: SocketShape): RecordedOptions {
  const rows = optionTable.filter((row) => row.applies(shape));
  return Object.fromEntries(rows.map((row) => [row.option, readOption(sys, fd, row)]));
}

/**
 * Sets again every option that is no longer as recorded, declared or not. Options that the record does not know (it
 * may come from an older version) are left alone.
 * @returns the kernel's names of those that were put right, and those that could not be
 */
export function repairOptions(
  sys: OptionSys,
  fd: Fd,
  shape: SocketShape,
  recorded: RecordedOptions,
): { repaired: string[]; failures: OptionFailure[] } {
  const repaired: string[] = [];
  const failures: OptionFailure[] = [];
  for (const row of optionTable) {
    const before = recorded[row.option];
    if (before === undefined || !row.applies(shape) || readOption(sys, fd, row) === before) continue;
    const failure = setOption(sys, fd, shape, row, declarable(row, before));
    if (failure === null) repaired.push(row.option);
    else failures.push(failure);
  }
  return { repaired, failures };
}

/** The value of one option as getsockopt gives it, strings without their padding, structs in hexadecimal. */
export function readOption(sys: OptionSys, fd: Fd, row: OptionRow): number | string {
  const [level, option] = [constant(sys, row.level), constant(sys, row.option)];
  if (row.form === "text") {
    const bytes = sys.getsockoptBytes(fd, level, option, 16);
    return Buffer.from(bytes).toString("latin1").replace(/\0.*$/s, "");
  }
  if (typeof row.form === "object") {
    return Buffer.from(sys.getsockoptBytes(fd, level, option, row.form.bytes)).toString("hex");
  }
  return sys.getsockopt(fd, level, option);
}

function setOption(
  sys: OptionSys,
  fd: Fd,
  shape: SocketShape,
  row: OptionRow,
  wanted: number | string,
): OptionFailure | null {
  const level = constant(sys, row.level);
  const value = typeof row.form === "object" ? Buffer.from(String(wanted), "hex") : wanted;
  const set = (option: string) => sys.setsockopt(fd, level, constant(sys, option), value);
  const option = row.key ?? row.option;
  try {
    set(row.option);
    if (holds(row, shape, wanted, readOption(sys, fd, row))) return null;
    if (row.force !== undefined) set(row.force);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (row.form !== "buffer") return { option, code: error.code, reason: error.code };
  }
  const actual = readOption(sys, fd, row);
  if (holds(row, shape, wanted, actual)) return null;
  return { option, code: null, reason: shortfall(row, wanted, actual) };
}

/** Whether what the kernel reports is what was asked for, given how it rounds this form. */
function holds(
  row: OptionRow,
  shape: SocketShape,
  wanted: number | string,
  actual: number | string,
): boolean {
  if (typeof wanted === "string" || typeof actual === "string") return wanted === actual;
  switch (row.form) {
    case "flag":
      return (actual !== 0) === (wanted !== 0);
    case "buffer":
      return actual >= wanted * 2;
    case "seconds":
      return actual >= wanted;
    case "tos":
      return shape.type === "stream" ? (actual | ecnBits) === (wanted | ecnBits) : actual === wanted;
    default:
      return actual === wanted;
  }
}

/** The two lowest bits of the traffic class: TCP's own (RFC 3168). */
const ecnBits = 3;

/** What to set in order to read `recorded` again. */
function declarable(row: OptionRow, recorded: number | string): number | string {
  return row.form === "buffer" && typeof recorded === "number" ? recorded / 2 : recorded;
}

function shortfall(row: OptionRow, wanted: number | string, actual: number | string): string {
  if (row.form !== "buffer" || typeof actual !== "number") return `the kernel made ${actual} of ${wanted}`;
  const limit = row.option === "SO_RCVBUF" ? "net.core.rmem_max" : "net.core.wmem_max";
  return `the kernel grants ${actual / 2} of ${wanted} bytes (${limit})`;
}
