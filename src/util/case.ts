/** The three spellings of one name: `stop_timeout` in files, `stopTimeout` in code, `--stop-timeout` on a command line. */

/** The type of `snakeToCamel`'s answer. */
export type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;

export function snakeToCamel(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

export function snakeToKebab(name: string): string {
  return name.replaceAll("_", "-");
}
