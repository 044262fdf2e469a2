/** What a benchmark is: a row of the table in `main.ts`. */

export interface Settings {
  /** How often every server gets its turn. */
  rounds: number;
  /** How long one turn of a rate measurement takes. */
  seconds: number;
  /** Aborted when somebody interrupts the run: stop what was started, report nothing. */
  interrupted: AbortSignal;
  /** Tells the person who waits what happens now. */
  progress(text: string): void;
}

export interface Column {
  /** The name in `--json`. */
  key: string;
  title: string;
  /** Digits after the point; `null` for text. */
  digits: number | null;
}

/** A table of results. A cell that is `null` was not measured. */
export interface Report {
  title: string;
  columns: readonly Column[];
  rows: readonly (readonly (string | number | null)[])[];
  /** What the reader must know to read it: how much was measured, what was absent. */
  notes: readonly string[];
}

export interface Benchmark {
  name: string;
  summary: string;
  run(settings: Settings): Promise<Report>;
}
