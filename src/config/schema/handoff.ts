/** The ways in which a handler gets its connections (the words of `handoff`, and the built-ins beside them). */

export const handoffs = ["stdio", "wait", "listen", "pass", "proxy", "builtin"] as const;
export type Handoff = (typeof handoffs)[number];

/** What may stand in `handoff`: a built-in is chosen by `builtin`. */
export const handoffWords = ["stdio", "wait", "listen", "pass", "proxy"] as const;

/** The same value for every handoff whose handlers outlive a connection. */
export function forWorkers<T>(value: T): Record<"wait" | "listen" | "pass" | "proxy", T> {
  return { wait: value, listen: value, pass: value, proxy: value };
}
