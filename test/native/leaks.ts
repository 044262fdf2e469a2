/**
 * Each file of these tests ends with as many descriptors as it began with, and without a child: the addon has no
 * owner for what it hands out but its caller, so a leak in it or in a test shows here.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { afterAll, beforeAll, expect } from "vitest";
import { sys } from "./support.ts";

/** Our descriptors and what they are, without the one that reads the list. */
export function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd").flatMap((number) => {
    try {
      return [`${number} -> ${readlinkSync(`/proc/self/fd/${number}`)}`];
    } catch {
      return []; // the list's own, closed by now
    }
  });
}

/** To be called once at the top of a test file. */
export function expectNoLeaks(): void {
  let before: string[] = [];
  beforeAll(() => {
    before = openDescriptors();
  });
  afterAll(() => {
    expect(openDescriptors()).toEqual(before);
    expect(sys.peekEndedChild()).toBeNull();
  });
}
