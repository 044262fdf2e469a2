/**
 * The form in which a daemon's state travels to the process that goes on in its place: an anonymous, sealed file
 *
 *   8 bytes  "tinetd" and two zeros
 *   4 bytes  the version of what follows, little-endian
 *   8 bytes  the length of what follows, little-endian
 *   JSON
 *
 * A length, and not an end of line or of file: what a client has named itself, or a handler has written, stands in there
 * too, and must not become state (systemd, CVE-2018-15686). The seals keep what was checked from being changed.
 */
import { fstatSync, readSync } from "node:fs";
import type { Fd, Sys } from "../../native/sys.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { migrations } from "./migrations.ts";

const magic = Buffer.from("tinetd\0\0", "latin1");
const headerBytes = magic.length + 4 + 8;
/** Of 20,000 connections with all that is known of them there are some 20 MB. */
const mostBytes = 512 * 1024 * 1024;

/** The version that this code writes; it reads all earlier ones. */
export const stateVersion = migrations.length + 1;

/** @returns a descriptor of the sealed file, which is the caller's */
export function writeState(sys: Pick<Sys, "sealedFile">, state: unknown): Fd {
  const body = Buffer.from(JSON.stringify(state));
  const header = Buffer.alloc(headerBytes);
  magic.copy(header);
  header.writeUInt32LE(stateVersion, magic.length);
  header.writeBigUInt64LE(BigInt(body.length), magic.length + 4);
  return sys.sealedFile("tinetd-state", Buffer.concat([header, body]));
}

/** Borrows the descriptor. @returns the state as this version has it, or a sentence that says why it cannot be read */
export function readState(fd: Fd): Result<unknown, string> {
  const header = Buffer.alloc(headerBytes);
  if (readAt(fd, header, 0) < headerBytes || !header.subarray(0, magic.length).equals(magic))
    return err("there is no state of a tinetd");
  const version = header.readUInt32LE(magic.length);
  const length = header.readBigUInt64LE(magic.length + 4);
  if (version > stateVersion || version < 1) {
    return err(`the state has version ${version}, and this tinetd reads versions up to ${stateVersion}`);
  }
  if (length > mostBytes || fstatSync(fd).size !== headerBytes + Number(length))
    return err(`the state is not ${length} bytes long, as it says`);
  const body = Buffer.alloc(Number(length));
  readAt(fd, body, headerBytes);
  try {
    return ok(migrate(JSON.parse(body.toString()), version));
  } catch (error) {
    return err(`the state cannot be read: ${(error as Error).message}`);
  }
}

function migrate(state: unknown, version: number): unknown {
  return migrations.slice(version - 1).reduce((older, step) => step(older), state);
}

function readAt(fd: Fd, into: Buffer, position: number): number {
  let filled = 0;
  while (filled < into.length) {
    const length = readSync(fd, into, filled, into.length - filled, position + filled);
    if (length === 0) break;
    filled += length;
  }
  return filled;
}
