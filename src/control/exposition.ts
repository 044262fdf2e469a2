/** Prometheus' text format, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/): pure. */
import { cumulative, type Histogram } from "../util/histogram.ts";

/** What stands above the samples of one name. */
export interface Family {
  name: string;
  type: "counter" | "gauge" | "histogram";
  help: string;
  labels: readonly string[];
}

/** Values of the labels, in their order, and what was measured. */
export type Sample = readonly [labels: readonly string[], value: number | Histogram];

/** Nothing for a family without samples. */
export function formatFamily({ name, type, help, labels }: Family, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  const lines = [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`];
  for (const [values, value] of samples) {
    const pairs = labels.map((label, n) => `${label}="${escapeLabel(values[n] ?? "")}"`);
    if (typeof value === "number") lines.push(line(name, pairs, value));
    else lines.push(...histogramLines(name, pairs, value));
  }
  return `${lines.join("\n")}\n`;
}

function histogramLines(name: string, pairs: readonly string[], histogram: Histogram): string[] {
  const counts = cumulative(histogram);
  const buckets = counts.map((count, n) => {
    const bound = histogram.bounds[n] ?? Number.POSITIVE_INFINITY;
    return line(`${name}_bucket`, [...pairs, `le="${formatNumber(bound)}"`], count);
  });
  return [
    ...buckets,
    line(`${name}_sum`, pairs, histogram.sum),
    line(`${name}_count`, pairs, counts.at(-1) ?? 0),
  ];
}

function line(name: string, pairs: readonly string[], value: number): string {
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${formatNumber(value)}`;
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : `${value}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
