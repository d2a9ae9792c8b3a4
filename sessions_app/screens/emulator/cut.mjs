/**
 * Where a stream of output can be cut in two: the first part is drawn as a screen, the second follows as it is.
 *
 * A clean cut lies between two sequences and two characters, and after a control rather than after text: a character
 * that joins the one before it (an accent), or a wish to repeat it, must find that one on its own side.
 */

/** Bytes after the last clean cut up to which that cut is taken. Longer runs of text, or sequences, are cut anywhere. */
export const PATIENCE = 64 * 1024;

/** Bytes that the terminal is fed at once, less than what it would cut again by itself. */
const PIECE = 64 * 1024;

const GROUND = 0;
const NON_ASCII = 0xa0;
const NOTHING = -1;
const [PRINT, EXECUTE, OSC_END, CSI_DISPATCH, ESC_DISPATCH, DCS_UNHOOK] = [2, 3, 6, 7, 10, 14];
/** What makes the terminal forget the character that it printed last. */
const FORGETS = new Set([EXECUTE, OSC_END, CSI_DISPATCH, ESC_DISPATCH, DCS_UNHOOK]);

const [IN_ESCAPE, IN_CSI, IN_STRING, IN_OSC, IN_DCS, IN_DCS_DATA] = ["\x1b ", "\x1b[?0?", "\x1b^", "\x1b]99999;", "\x1bP0<", "\x1bP~"];
/** How to get back into a sequence whose beginning is gone: by one of its kind that means nothing. By parser state. */
const REOPEN = [
  "", IN_ESCAPE, IN_ESCAPE, IN_CSI, IN_CSI, IN_CSI, IN_CSI, IN_STRING, IN_OSC, IN_DCS, IN_DCS, IN_DCS, IN_DCS, IN_DCS_DATA,
];

const follows = (byte) => (byte & 0xc0) === 0x80;

/** How many bytes a character has that begins with `byte`, as far as that says. */
function lengthOf(byte) {
  if ((byte & 0xe0) === 0xc0) return 2;
  if ((byte & 0xf0) === 0xe0) return 3;
  return (byte & 0xf8) === 0xf0 ? 4 : 1;
}

/**
 * The bytes from `at` on that xterm's decoder takes together, and what the parser sees of them.
 * @returns {[number, number]} Their number, 0 if more are needed; a code below 0xa0, NON_ASCII or NOTHING.
 */
function character(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return [1, first];
  const length = lengthOf(first);
  if (length === 1) return [1, NOTHING];
  let code = first & (0xff >> (length + 1));
  for (let i = 1; i < length; i++) {
    if (at + i >= bytes.length) return [0, NOTHING];
    if (!follows(bytes[at + i])) return [i, NOTHING];
    code = (code << 6) | (bytes[at + i] & 0x3f);
  }
  if (length === 2) return code < 0x80 ? [1, NOTHING] : [2, Math.min(code, NON_ASCII)];
  const sound = length === 3
    ? code >= 0x800 && !(code >= 0xd800 && code <= 0xdfff) && code !== 0xfeff
    : code >= 0x10000 && code <= 0x10ffff;
  return [length, sound ? NON_ASCII : NOTHING];
}

/**
 * @param {import("./emulator.mjs").Emulator} emulator One that stands before `bytes`.
 * @param {Uint8Array} bytes
 * @returns {{length: number, reopen: string}} How many of the bytes belong to the first part, and what the screen must
 *   end with because it had to be cut within a sequence.
 */
export function cut(emulator, bytes) {
  const parser = emulator.input._parser;
  const { table } = parser._transitions;
  let state = parser.currentState;
  let afterText = false;
  let [clean, ground] = state === GROUND ? [0, 0] : [-Infinity, -Infinity];
  let at = 0;
  while (at < bytes.length) {
    const [length, code] = character(bytes, at);
    if (length === 0) break;
    at += length;
    if (code !== NOTHING) {
      const transition = table[(state << 8) | code];
      const action = transition >> 4;
      state = transition & 15;
      if (action === PRINT) afterText = true;
      else if (FORGETS.has(action)) afterText = false;
      // ESC ends a string, and begins a sequence of its own.
      if (code === 0x1b && (action === OSC_END || action === DCS_UNHOOK)) state |= 1;
    }
    if (state === GROUND) {
      ground = at;
      if (!afterText) clean = at;
    }
  }
  if (at - clean <= PATIENCE) return { length: clean, reopen: "" };
  if (at - ground <= PATIENCE) return { length: ground, reopen: "" };
  return { length: at, reopen: REOPEN[state] };
}

/**
 * Feed bytes to an emulator in pieces, none of which ends within a character: its decoder loses some of those.
 * @param {import("./emulator.mjs").Emulator} emulator @param {Uint8Array} bytes
 */
export function feed(emulator, bytes) {
  for (let start = 0; start < bytes.length; ) {
    let end = Math.min(start + PIECE, bytes.length);
    for (let back = 0; back < 3 && end < bytes.length && follows(bytes[end]); back++) end--;
    emulator.write(bytes.subarray(start, end));
    start = end;
  }
}
