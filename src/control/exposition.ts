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

/** Nothing for a family without samples. Strings are only ever appended to: there may be tens of thousands of lines. */
export function formatFamily({ name, type, help, labels }: Family, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  let text = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
  for (const [values, value] of samples) {
    const pairs = formatLabels(labels, values);
    text += typeof value === "number" ? line(name, pairs, value) : histogramLines(name, pairs, value);
  }
  return text;
}

function formatLabels(labels: readonly string[], values: readonly string[]): string {
  let text = "";
  for (const [n, label] of labels.entries()) {
    text += `${n === 0 ? "" : ","}${label}="${escapeLabel(values[n] ?? "")}"`;
  }
  return text;
}

function histogramLines(name: string, pairs: string, histogram: Histogram): string {
  const counts = cumulative(histogram);
  const others = pairs === "" ? "" : `${pairs},`;
  let text = "";
  for (const [n, count] of counts.entries()) {
    const bound = histogram.bounds[n] ?? Number.POSITIVE_INFINITY;
    text += line(`${name}_bucket`, `${others}le="${formatNumber(bound)}"`, count);
  }
  return `${text}${line(`${name}_sum`, pairs, histogram.sum)}${line(`${name}_count`, pairs, counts.at(-1) ?? 0)}`;
}

function line(name: string, pairs: string, value: number): string {
  return pairs === "" ? `${name} ${formatNumber(value)}\n` : `${name}{${pairs}} ${formatNumber(value)}\n`;
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : `${value}`;
}

function escapeLabel(text: string): string {
  if (!/["\\\n]/.test(text)) return text;
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
