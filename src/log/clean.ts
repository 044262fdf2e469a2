/**
 * Text from outside (peers, handlers) before it comes near a log or a terminal: control characters would forge lines
 * and drive terminals, and length is theirs to choose.
 */

/** Cuts to `most` characters and replaces control characters, C1 and bidirectional overrides by `?`. */
export function cleanText(text: string, most: number): string {
  const cut = text.length > most ? `${text.slice(0, most)}...` : text;
  return cut.replace(
    /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    "?",
  );
}
