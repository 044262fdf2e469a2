/** File name patterns of one path segment, as glob(7) has them: `*`, `?`, `[a-z]`, `[!a]`. */

export function isGlob(text: string): boolean {
  return /[*?[]/.test(text);
}

/** A leading dot is matched by a literal dot alone, so that `*` leaves hidden files out. */
export function globToRegExp(segment: string): RegExp {
  let source = segment.startsWith(".") ? "" : "(?!\\.)";
  let at = 0;
  while (at < segment.length) {
    const char = segment.charAt(at);
    // The first character of a set may itself be a closing bracket.
    const end = char === "[" ? segment.indexOf("]", at + (segment.charAt(at + 1) === "!" ? 3 : 2)) : -1;
    if (char === "*") {
      source += "[^/]*";
    } else if (char === "?") {
      source += "[^/]";
    } else if (end > 0) {
      const set = segment.slice(at + 1, end).replace(/[\\\]^[]/g, "\\$&");
      source += set.startsWith("!") ? `[^${set.slice(1)}]` : `[${set}]`;
      at = end;
    } else {
      source += char.replace(/[.*+?^${}()|[\]\\]/, "\\$&");
    }
    at += 1;
  }
  return new RegExp(`^${source}$`, "s");
}
