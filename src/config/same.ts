/** Whether two readings come to the same service, wherever and in whatever way it is written. */
import { isDeepStrictEqual } from "node:util";
import type { ListenerConfig, ServiceConfig } from "./config.ts";

/** A reload asks it of every service: to encode both and compare the texts would take fifty times as long. */
export function isSameService(one: ServiceConfig, other: ServiceConfig): boolean {
  return sameBut(one, other, { position: null, keyPositions: null, listeners: sameListeners });
}

function sameListeners(one: readonly ListenerConfig[], other: readonly ListenerConfig[]): boolean {
  if (one.length !== other.length) return false;
  return one.every((listener, index) => {
    const rival = other[index];
    return rival !== undefined && sameBut(listener, rival, { position: null, declared: null });
  });
}

/** @param special how some values are compared; `null`: not at all */
function sameBut<T extends object>(
  one: T,
  other: T,
  special: { [K in keyof T]?: ((one: T[K], other: T[K]) => boolean) | null },
): boolean {
  for (const key in one) {
    const rule = special[key];
    const [here, there] = [one[key], other[key]];
    if (here === there || rule === null) continue;
    if (!(rule ?? isDeepStrictEqual)(here, there)) return false;
  }
  return true;
}
