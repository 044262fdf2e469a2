/** What is wrong with a configuration, where, and how it is told. */

/** Where something stands. Line and column count from 1; a line of 0 is the file (or the command line) as a whole. */
export interface Position {
  file: string;
  line: number;
  column: number;
}

/** One error of the text or of the machine. */
export interface Problem {
  position: Position;
  message: string;
  /** What to do instead, as a phrase: "did you mean `listen`?". */
  hint: string | null;
  /** The service that it concerns, and the key in it (`limits.nofile`), where there is one. */
  service: string | null;
  key: string | null;
}

/** A place for problems of no line: a file that cannot be read, the command line. */
export function wholeFile(file: string): Position {
  return { file, line: 0, column: 0 };
}

/** `FILE:LINE:COLUMN`, or `FILE` alone. */
export function formatPosition({ file, line, column }: Position): string {
  return line === 0 ? file : `${file}:${line}:${column}`;
}

/** One line: `FILE:LINE:COLUMN: message; hint`. Control characters, which a name may hold, are escaped. */
export function formatProblem(problem: Pick<Problem, "position" | "message" | "hint">): string {
  const hint = problem.hint === null ? "" : `; ${problem.hint}`;
  const line = `${formatPosition(problem.position)}: ${problem.message}${hint}`;
  return line.replace(
    /[\x00-\x1f\x7f-\x9f]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** In the order of the text, files in the order in which they were read. */
export function sortProblems<P extends Pick<Problem, "position">>(
  problems: readonly P[],
  files: readonly string[],
): P[] {
  const rank = new Map(files.map((file, index) => [file, index]));
  const fileOf = (problem: P) => rank.get(problem.position.file) ?? files.length;
  return problems.toSorted(
    (a, b) =>
      fileOf(a) - fileOf(b) || a.position.line - b.position.line || a.position.column - b.position.column,
  );
}
