/** The few numbers that a series of measurements is reported by. */

/**
 * The value below which the given share of the samples lies (nearest rank).
 * @param share 0.5 is the median
 * @returns `null` if there are no samples
 */
export function quantile(samples: readonly number[], share: number): number | null {
  const sorted = [...samples].sort((a, b) => a - b);
  const rank = Math.max(Math.ceil(share * sorted.length), 1);
  return sorted[rank - 1] ?? null;
}

export function median(samples: readonly number[]): number | null {
  return quantile(samples, 0.5);
}

/** `value` in units of `base`; `null` if either is missing. */
export function ratio(value: number | null, base: number | null): number | null {
  return value === null || base === null || base === 0 ? null : value / base;
}

export function milliseconds(nanoseconds: number | null): number | null {
  return nanoseconds === null ? null : nanoseconds / 1e6;
}
