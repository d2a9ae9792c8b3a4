/** Reads what the emulator needs of a session's journal: output bytes, and when the terminal had which size. */

import { constants, closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";

const BLOCK = 256 * 1024;
const NEWLINE = 10;
const QUOTE = 34;
const [O, G, R] = [111, 103, 114];

/** @param {string} folder @param {string} name @param {number} [flags] No link is followed. */
export function openIn(folder, name, flags = constants.O_RDONLY) {
  return openSync(join(folder, name), flags | constants.O_NOFOLLOW, 0o600);
}

/** Up to `length` bytes at `position`; fewer at the file's end. */
export function readAt(file, position, length) {
  const bytes = Buffer.allocUnsafe(length);
  let have = 0;
  while (have < length) {
    const more = readSync(file, bytes, have, length - have, position + have);
    if (more === 0) break;
    have += more;
  }
  return bytes.subarray(0, have);
}

/**
 * @typedef {object} Place Where the emulator stands in a journal.
 * @property {number} offset Output bytes that it has taken.
 * @property {number} timeline Where in the timeline's file the first line begins that it has not taken whole.
 * @property {number} base The offset before that line.
 * @property {number} at Seconds since the session's start.
 */

export class Journal {
  #output;
  #timeline;

  /** @param {string} folder */
  constructor(folder) {
    this.#output = openIn(folder, "output");
    this.#timeline = openIn(folder, "timeline");
  }

  close() {
    closeSync(this.#output);
    closeSync(this.#timeline);
  }

  /** The first place, and the size that the terminal had there. @returns {{place: Place, cols: number, rows: number}} */
  start() {
    const first = readAt(this.#timeline, 0, BLOCK);
    const end = first.indexOf(NEWLINE);
    const { cols, rows } = JSON.parse(first.toString("utf8", 0, end));
    return { place: { offset: 0, timeline: end + 1, base: 0, at: 0 }, cols, rows };
  }

  /** Whether a place can be one of this journal. @param {Place} place */
  holds({ offset, timeline }) {
    return offset <= fstatSync(this.#output).size && timeline > 0 && readAt(this.#timeline, timeline - 1, 1)[0] === NEWLINE;
  }

  /** Output from `from` to `to`, or to where it ends. */
  output(from, to) {
    return readAt(this.#output, from, to - from);
  }

  /**
   * What the timeline says on the way from a place to an offset.
   * @param {Place} from @param {number} to
   * @returns {{place: Place, sizes: {offset: number, cols: number, rows: number}[]}}
   */
  advance(from, to) {
    const sizes = [];
    let { timeline, base, at } = from;
    for (const { line, next } of this.#lines(timeline)) {
      const comma = line.indexOf(44);
      const code = line[comma + 1] === QUOTE ? line[comma + 2] : 0;
      if (code === O || code === G) {
        const count = number(line, comma + 5);
        if (base + count > to) break;
        base += count;
      } else if (code === R) {
        const [cols, rows] = JSON.parse(line.toString("latin1"))[2].split("x").map(Number);
        if (cols > 0 && rows > 0) sizes.push({ offset: base, cols, rows });
      }
      at = line;
      timeline = next;
    }
    if (typeof at !== "number") at = Number.parseFloat(at.toString("latin1", 1, 40));
    return { place: { offset: to, timeline, base, at }, sizes };
  }

  /** Whole lines from a position on. */
  *#lines(position) {
    let rest = Buffer.alloc(0);
    for (;;) {
      const block = readAt(this.#timeline, position + rest.length, BLOCK);
      const bytes = rest.length ? Buffer.concat([rest, block]) : block;
      let start = 0;
      for (let end; (end = bytes.indexOf(NEWLINE, start)) >= 0; start = end + 1) {
        yield { line: bytes.subarray(start, end), next: position + end + 1 };
      }
      if (block.length < BLOCK) return;
      rest = bytes.subarray(start);
      position += start;
    }
  }
}

/** The digits from a position on. */
function number(line, position) {
  let value = 0;
  for (let digit; (digit = line[position] - 48) >= 0 && digit <= 9; position++) value = value * 10 + digit;
  return value;
}
