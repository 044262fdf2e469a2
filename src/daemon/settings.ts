/** How keys of `[daemon]` that a reload changes come into force where a number that is read when it counts is not enough. */
import type { DaemonConfig } from "../config/config.ts";

export interface Setting {
  /** As inetd.toml spells them; they change together. */
  keys: readonly string[];
  /** Whether the services go first. */
  afterServices: boolean;
  /** @returns why everything is as before, or `null` */
  follow(after: DaemonConfig): string | null | Promise<string | null>;
}

/** What became of a key of `[daemon]` that was to change. */
export interface DaemonChange {
  key: string;
  /** Why it is as before. */
  failure: string | null;
}

/**
 * Has those settings follow that have any of `keys`, one after the other.
 * @returns what could not be done
 */
export async function followAll(
  settings: readonly Setting[],
  keys: readonly string[],
  after: DaemonConfig,
): Promise<DaemonChange[]> {
  const failed: DaemonChange[] = [];
  for (const setting of settings) {
    const mine = keys.filter((key) => setting.keys.includes(key));
    const failure = mine.length === 0 ? null : await setting.follow(after);
    if (failure !== null) failed.push(...mine.map((key) => ({ key, failure })));
  }
  return failed;
}
