/** A log line for a person at a terminal: time, level where it matters, sentence. */

const colours: Record<string, string> = {
  warn: "\u001b[33m",
  error: "\u001b[31m",
  fatal: "\u001b[31m",
  debug: "\u001b[2m",
};

/** Turns one JSON line of pino into `HH:MM:SS level sentence`; the stack of a bug stands below it. */
export function prettyLine(json: string, colour: boolean): string {
  const line = JSON.parse(json) as { time: string; level: string; msg: string; err?: { stack?: string } };
  const time = line.time.slice(11, 19);
  const level = line.level === "info" ? "" : `${line.level}: `;
  const paint = colour ? colours[line.level] : undefined;
  const stack = line.err?.stack === undefined ? "" : `${line.err.stack}\n`;
  return paint === undefined
    ? `${time} ${level}${line.msg}\n${stack}`
    : `${time} ${paint}${level}${line.msg}\u001b[0m\n${stack}`;
}
