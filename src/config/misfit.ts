/** Asks the table of combinations why something does not go with a service. */
import type { EndpointKind } from "../net/address.ts";
import { unreachable } from "../util/unreachable.ts";
import { type KeyRule, keyRules, listenerRules } from "./combination.ts";
import type { Handoff } from "./schema/handoff.ts";

/** Kinds that are known only when the daemon has been given the socket. */
const adopted: readonly EndpointKind[] = ["systemd", "fd"];

/** Why a kind of listener does not go with a handoff, or `null`. */
export function listenerMisfit(kind: EndpointKind, handoff: Handoff): string | null {
  const cell = listenerRules.find((rule) => rule.kinds.includes(kind))?.cells[handoff];
  return cell?.is === "no" ? cell.why : null;
}

/** Which rules there are for a key, by its path. */
const rulesOf = new Map<string, KeyRule[]>();
for (const rule of keyRules) {
  for (const path of rule.keys) rulesOf.set(path, [...(rulesOf.get(path) ?? []), rule]);
}

/**
 * Why a key (by its path, `workers.min`) does not go with a handoff and the listeners of a service, or `null`.
 * @param value as in code; `undefined` asks about the key whatever its value
 */
export function keyMisfit(
  path: string,
  value: unknown,
  handoff: Handoff,
  kinds: ReadonlySet<EndpointKind>,
): string | null {
  for (const rule of rulesOf.get(path) ?? []) {
    if (rule.value !== undefined && rule.value !== value) continue;
    const cell = rule.cells[handoff];
    switch (cell.is) {
      case "yes":
        break;
      case "no":
        return `does not go with ${handoff === "builtin" ? "a built-in" : `handoff = "${handoff}"`}: ${cell.why}`;
      case "only":
        if (![...kinds].some((kind) => cell.kinds.includes(kind) || adopted.includes(kind))) {
          return `goes with ${cell.note} only, and the service has no such listener`;
        }
        break;
      default:
        unreachable(cell);
    }
  }
  return null;
}
