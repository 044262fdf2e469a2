/**
 * Descriptors that go along when the daemon executes itself anew (an upgrade). They keep their numbers, so that what is
 * told of them in the saved state is true afterwards as well.
 *
 * Whoever saves gives every descriptor that must outlive the exec to a `Carry`; whoever restores gives the number to
 * another one, and owns the descriptor from then on. What nobody has claimed by the end is closed: so nothing leaks.
 */
import type { Fd } from "./sys.ts";

/** Takes note of a descriptor and gives it back. */
export type Carry = (fd: Fd) => Fd;

/**
 * What a part of the daemon has saved, in a shape that only it knows: plain data that JSON carries without loss, and so
 * with no Infinity, no Date, and no `undefined` that means something.
 */
export type Saved = unknown;

/** Bytes as text, for JSON. */
export function bytesToText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

export function textToBytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "base64"));
}
