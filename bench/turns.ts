/** Those that are compared take turns, so that whatever else the machine does hits all of them alike. */

/** `items` in a circle, from another one each round. */
export function rotate<T>(items: readonly T[], round: number): T[] {
  const start = round % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
