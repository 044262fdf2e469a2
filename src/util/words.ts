/** Splits a line into words as a POSIX shell does, quotes and backslashes included; nothing is expanded. */
import { err, ok, type Result } from "./result.ts";

/** @returns the words, or why the text cannot be split (an open quote, a backslash with nothing behind it) */
export function splitWords(text: string): Result<string[], string> {
  const words: string[] = [];
  let word: string | null = null;
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === "'") {
      const end = text.indexOf("'", at + 1);
      if (end < 0) return err("a single quote is not closed");
      word = (word ?? "") + text.slice(at + 1, end);
      at = end + 1;
    } else if (char === '"') {
      const quoted = readDoubleQuoted(text, at + 1);
      if (quoted === null) return err("a double quote is not closed");
      word = (word ?? "") + quoted.text;
      at = quoted.next;
    } else if (char === "\\") {
      if (at + 1 === text.length) return err("it ends with a backslash");
      word = (word ?? "") + text.charAt(at + 1);
      at += 2;
    } else if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
      at += 1;
    } else {
      word = (word ?? "") + char;
      at += 1;
    }
  }
  if (word !== null) words.push(word);
  return ok(words);
}

/** Between double quotes a backslash is special before `$`, backquote, `"` and itself alone (POSIX 2.2.3). */
function readDoubleQuoted(text: string, start: number): { text: string; next: number } | null {
  let value = "";
  for (let at = start; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === '"') return { text: value, next: at + 1 };
    if (char === "\\" && /[$`"\\]/.test(text.charAt(at + 1))) at += 1;
    value += text.charAt(at);
  }
  return null;
}
