/**
 * Text from outside (peers, handlers) before it comes near a log or a terminal: control characters would forge lines
 * and drive terminals, and length is theirs to choose.
 */

/** Controls but the tab, C1, line and paragraph separators, and what turns the direction of writing. */
const hostile = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
const allHostile = new RegExp(hostile, "g");

/** Cuts to `most` characters and replaces control characters, C1 and bidirectional overrides by `?`. */
export function cleanText(text: string, most: number): string {
  const cut = text.length > most ? `${text.slice(0, most)}...` : text;
  return hostile.test(cut) ? cut.replace(allHostile, "?") : cut;
}

/**
 * The last look at what is about to be logged, whoever made it: the same fields, every text among them cut and cleaned.
 * Gives back the same object where there is nothing to do, which is nearly always.
 */
export function cleanFields<T extends object>(fields: T, most: number): T {
  let clean: T | null = null;
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== "string") continue;
    const text = cleanText(value, most);
    if (text !== value) clean = { ...(clean ?? fields), [name]: text };
  }
  return clean ?? fields;
}
