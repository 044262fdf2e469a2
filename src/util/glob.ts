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
      const inside = segment.slice(at + 1, end);
      source += inside.startsWith("!") ? `[^${setSource(inside.slice(1))}]` : `[${setSource(inside)}]`;
      at = end;
    } else {
      source += char.replace(/[.*+?^${}()|[\]\\]/, "\\$&");
    }
    at += 1;
  }
  return new RegExp(`^${source}$`, "s");
}

/** The inside of a set. A range that is reversed holds nothing, as in a shell; a RegExp would refuse it. */
function setSource(inside: string): string {
  const escaped = (char: string) => char.replace(/[\\\]^[-]/, "\\$&");
  return inside.replace(/(.)-(.)|./gs, (char: string, first?: string, last?: string) => {
    if (first === undefined || last === undefined) return escaped(char);
    return first <= last ? `${escaped(first)}-${escaped(last)}` : "";
  });
}
