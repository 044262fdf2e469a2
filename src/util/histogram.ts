/** How often values of which size came: plain data; an observation costs a short search and two additions. */

export interface Histogram {
  /** Upper ends of the buckets, ascending; each belongs to its bucket. */
  readonly bounds: readonly number[];
  /** How many fell into each bucket; one more than `bounds`, for what is above the last. */
  readonly counts: number[];
  sum: number;
}

export function newHistogram(bounds: readonly number[]): Histogram {
  return { bounds, counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0 };
}

export function observe(histogram: Histogram, value: number): void {
  const { bounds, counts } = histogram;
  let bucket = 0;
  while (bucket < bounds.length && value > (bounds[bucket] ?? Number.POSITIVE_INFINITY)) bucket += 1;
  counts[bucket] = (counts[bucket] ?? 0) + 1;
  histogram.sum += value;
}

/** The same as Prometheus counts: everything up to each bound, and at last everything. */
export function cumulative({ counts }: Histogram): number[] {
  let sum = 0;
  return counts.map((count) => {
    sum += count;
    return sum;
  });
}
