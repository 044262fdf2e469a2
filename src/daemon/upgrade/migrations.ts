/**
 * Older versions of the state: step n makes of version n+1 what version n+2 has. A change of what any part of the daemon
 * saves (`save` in handoff/, process/, service/, net/) is a new step here, unless what was saved before still reads the
 * same. Nothing is ever taken away: whoever skips ten releases gets all ten steps.
 */
export const migrations: readonly ((older: unknown) => unknown)[] = [];
