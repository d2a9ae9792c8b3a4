/**
 * Draws a terminal's state as text: written to a terminal in its initial state and of the same size, it makes that one
 * equal, so that whatever follows does the same to both. Scrollback, both screens, cursors, modes, title, colours.
 *
 * What cannot be said in sequences is said as near as it looks: an empty cell with an underline becomes an underlined
 * space, half of a wide character becomes an empty cell.
 */

import { Pen } from "./pen.mjs";

/** Characters of a screen. One that has more loses scrollback, line by line the oldest first. */
export const MAX_TEXT = 2 * 1024 * 1024;

const MAX_TITLE = 1024;
const CELL = 3; // numbers of a cell in a line's data: content, foreground, background
const HAS_CONTENT = 0x3fffff;
const WIDTH_SHIFT = 22;
/** Attributes that show on an empty cell: inverse, underline and strikethrough; overline. */
const [VISIBLE_FG, VISIBLE_BG] = [0x94000000, 0x40000000];
const COLOUR = 0x3ffffff;

const CHARSETS = ["0", "A", "4", "C", "R", "Q", "K", "Y", "E", "Z", "H", "="];
const SLOTS = ["(", ")", "*", "+"];
const SHIFTS = ["\x0f", "\x0e", "\x1bn", "\x1bo"];

/** @param {import("./emulator.mjs").Emulator} emulator @returns {string} */
export function draw(emulator) {
  let scrollback = emulator.core.buffers.normal.ybase;
  let text = new Drawing(emulator, scrollback).text();
  while (text.length > MAX_TEXT && scrollback > 0) {
    scrollback >>= 1;
    text = new Drawing(emulator, scrollback).text();
  }
  if (text.length > MAX_TEXT) throw new Error("the screen is too large");
  return text;
}

class Drawing {
  #core;
  #input;
  #colours;
  #scrollback;
  #pen;
  #out = [];
  #letters;

  constructor({ core, input, colours }, scrollback) {
    this.#core = core;
    this.#input = input;
    this.#colours = colours;
    this.#scrollback = scrollback;
    this.#pen = new Pen((id) => core._oscLinkService.getLinkData(id));
    this.#letters = letters(core);
  }

  text() {
    const { normal, alt, active } = this.#core.buffers;
    this.#put(this.#titles(), this.#palette());
    // The cursor that was saved on the other screen outlives it.
    if (active === normal && hasSaved(alt)) this.#put("\x1b[?1047h", ...this.#saved(alt), this.#pen.plain(), "\x1b[?1047l\x1b[H");
    this.#rows(normal, normal.ybase - this.#scrollback);
    this.#surroundings(normal);
    if (active === alt) {
      this.#park(normal, false);
      this.#put(this.#pen.plain(), "\x1b[?1047h\x1b[H");
      this.#rows(alt, 0);
      this.#surroundings(alt);
    }
    this.#put(this.#core.coreService.decPrivateModes.origin ? "\x1b[?6h" : "");
    this.#park(active, true);
    this.#put(this.#charsets(active), this.#modes(), this.#pen.as(this.#input._curAttrData), this.#pen.again());
    return this.#out.join("");
  }

  #put(...parts) {
    this.#out.push(...parts);
  }

  // --- the cells -------------------------------------------------------------------------------------------------

  #rows(buffer, first) {
    const last = buffer.ybase + this.#core.rows - 1;
    let drawn = 0; // cells of the row that the way into it has drawn already
    let dirty = false; // whether it left something in the first one
    for (let y = first; y <= last; y++) {
      const line = buffer.lines.get(y);
      const next = y < last ? buffer.lines.get(y + 1) : null;
      const early = next?.isWrapped && wrapsEarly(line, next, this.#core.cols - 1);
      const at = this.#row(line, drawn, dirty, this.#core.cols - (early ? 1 : 0));
      if (early) [drawn, dirty] = this.#wrapEarly(next);
      else if (next) [drawn, dirty] = next.isWrapped ? this.#wrap(line, at) : this.#newline();
    }
  }

  #newline() {
    this.#put(this.#pen.plain(), "\r\n");
    return [0, false];
  }

  /** Draws a row's cells from `start` to `cols`; returns where the cursor is then: beyond the last column if it waits to wrap. */
  #row(line, start, dirty, cols) {
    const data = line._data;
    let at = start;
    for (let x = start; x < cols; ) {
      const content = data[x * CELL];
      const width = content >>> WIDTH_SHIFT;
      const isBlank = !(content & HAS_CONTENT) || (width === 2 && !followedByItsHalf(line, x, cols));
      if (isBlank && !showsThough(data, x)) {
        const run = blankRun(line, x, cols);
        const colour = data[x * CELL + 2] & COLOUR;
        if (colour || (dirty && x === 0)) {
          this.#put(right(x - at), this.#pen.background(colour), `\x1b[${colour ? run : 1}X`);
          at = x;
        }
        x += run;
        continue;
      }
      this.#put(right(x - at), this.#pen.cell(line, x));
      // A character without a width that stands alone: it must not join the one before.
      if (width === 0 && !isBlank) this.#put(this.#pen.again());
      this.#put(isBlank ? " " : line.getString(x));
      x += isBlank ? 1 : Math.max(1, width);
      at = x;
    }
    return at;
  }

  /** By a wide character that found no room in the last column. */
  #wrapEarly(next) {
    this.#put(`\x1b[${this.#core.cols}G`, this.#pen.cell(next, 0), next.getString(0), this.#pen.plain(), "\x1b[K");
    return [2, false];
  }

  /** From the end of a row into the next one, which belongs to the same line. */
  #wrap(line, end) {
    const cols = this.#core.cols;
    // Only a printed character gets there. It is taken away again, on both sides.
    this.#put(this.#pen.plain(), end < cols ? `\x1b[${cols}G ` : "", " ");
    if (end < cols) {
      const colour = line._data[(cols - 1) * CELL + 2] & COLOUR;
      this.#put(`\x1b[A\x1b[${cols}G`, this.#pen.background(colour), "\x1b[X\x1b[B");
    }
    this.#put("\r");
    return [0, true];
  }

  // --- what belongs to one of the two screens ------------------------------------------------------------------------

  #surroundings(buffer) {
    const { cols, rows } = this.#core;
    const stops = Object.keys(buffer.tabs).map(Number).filter((x) => buffer.tabs[x] && x < cols);
    if (stops.some((x) => x % 8) || stops.length !== Math.ceil(cols / 8)) {
      this.#put("\x1b[3g", ...stops.map((x) => `\x1b[${x + 1}G\x1bH`));
    }
    if (hasSaved(buffer)) this.#put(...this.#saved(buffer));
    if (buffer.scrollTop > 0 || buffer.scrollBottom < rows - 1) {
      this.#put(`\x1b[${buffer.scrollTop + 1};${buffer.scrollBottom + 1}r`);
    }
  }

  #saved({ savedX, savedY, ybase, savedCurAttrData: attributes, savedCharset: charset }) {
    const { cols, rows } = this.#core;
    const row = Math.min(Math.max(savedY - ybase, 0), rows - 1);
    const place = `\x1b[${row + 1};${Math.min(savedX, cols - 1) + 1}H`;
    return [place, this.#pen.as(attributes), charset ? `\x1b(${this.#letters.get(charset)}\x1b7\x1b(B` : "\x1b7"];
  }

  /** The cursor, which may wait behind the last column for a character that wraps. */
  #park(buffer, mayWait) {
    const { cols, coreService } = this.#core;
    const row = buffer.y + 1 - (mayWait && coreService.decPrivateModes.origin ? buffer.scrollTop : 0);
    if (buffer.x < cols || !mayWait) {
      this.#put(`\x1b[${row};${Math.min(buffer.x, cols - 1) + 1}H`);
      return;
    }
    const line = buffer.lines.get(buffer.ybase + buffer.y);
    const x = line.getWidth(cols - 1) === 0 && !line.hasContent(cols - 1) && cols > 1 ? cols - 2 : cols - 1;
    this.#put(`\x1b[${row};${x + 1}H`, this.#pen.cell(line, x), line.getString(x) || " ");
  }

  // --- what belongs to the terminal -----------------------------------------------------------------------------------

  #titles() {
    const title = this.#input._windowTitle.slice(0, MAX_TITLE);
    const icon = this.#input._iconName.slice(0, MAX_TITLE);
    return (title ? `\x1b]2;${title}\x1b\\` : "") + (icon ? `\x1b]1;${icon}\x1b\\` : "");
  }

  #palette() {
    const hex = (value) => value.toString(16).padStart(2, "0");
    return [...this.#colours]
      .map(([index, rgb]) => {
        const target = index < 256 ? `4;${index}` : `${index - 246}`;
        return `\x1b]${target};rgb:${rgb.map(hex).join("/")}\x1b\\`;
      })
      .join("");
  }

  #charsets(active) {
    const { _charsets: sets, glevel, charset } = this.#core._charsetService;
    let out = "";
    SLOTS.forEach((slot, level) => (out += sets[level] ? `\x1b${slot}${this.#letters.get(sets[level])}` : ""));
    out += glevel ? SHIFTS[glevel] : "";
    // Restoring a cursor brings back its character set and leaves the slots alone.
    if (charset === sets[glevel] || charset !== active.savedCharset || active.x >= this.#core.cols) return out;
    this.#put(out, "\x1b8");
    this.#park(active, true);
    return "";
  }

  #modes() {
    const { modes, decPrivateModes: dec, isCursorHidden } = this.#core.coreService;
    const { rawOptions } = this.#core.optionsService;
    const { activeProtocol, activeEncoding } = this.#core.coreMouseService;
    const set = [
      [dec.applicationCursorKeys, "\x1b[?1h"],
      [dec.applicationKeypad, "\x1b="],
      [dec.bracketedPasteMode, "\x1b[?2004h"],
      [dec.reverseWraparound, "\x1b[?45h"],
      [dec.sendFocus, "\x1b[?1004h"],
      [!dec.wraparound, "\x1b[?7l"],
      [modes.insertMode, "\x1b[4h"],
      [rawOptions.convertEol, "\x1b[20h"],
      [!rawOptions.cursorBlink, "\x1b[?12l"],
      [isCursorHidden, "\x1b[?25l"],
      [activeProtocol !== "NONE", { X10: "\x1b[?9h", VT200: "\x1b[?1000h", DRAG: "\x1b[?1002h", ANY: "\x1b[?1003h" }[activeProtocol]],
      [activeEncoding !== "DEFAULT", { SGR: "\x1b[?1006h", SGR_PIXELS: "\x1b[?1016h" }[activeEncoding]],
      [dec.synchronizedOutput, "\x1b[?2026h"],
    ]; // prettier-ignore
    return cursorStyle(dec) + set.map(([is, sequence]) => (is ? sequence : "")).join("");
  }
}

function cursorStyle({ cursorStyle: style, cursorBlink: blink }) {
  if (blink === undefined) return "";
  const steady = { block: 2, underline: 4, bar: 6 }[style] ?? 8; // 8: no shape of its own, as the terminal has it
  return `\x1b[${steady - (blink ? 1 : 0)} q`;
}

/** The letters by which character sets are chosen; a set is known by its object. */
function letters(core) {
  const known = new Map();
  const service = core._charsetService;
  const [before, charset] = [service._charsets.slice(), service.charset];
  for (const letter of CHARSETS) {
    core._inputHandler.selectCharset(`+${letter}`);
    if (!known.has(service._charsets[3])) known.set(service._charsets[3], letter);
  }
  [service._charsets, service.charset] = [before, charset];
  return known;
}

const hasSaved = ({ savedX, savedY, ybase, savedCurAttrData: { fg, bg }, savedCharset }) =>
  savedX > 0 || savedY > ybase || fg !== 0 || bg !== 0 || savedCharset !== undefined;

const right = (columns) => (columns > 0 ? `\x1b[${columns}C` : "");

const showsThough = (data, x) => (data[x * CELL + 1] & VISIBLE_FG) !== 0 || (data[x * CELL + 2] & VISIBLE_BG) !== 0;

const followedByItsHalf = (line, x, cols) => x + 1 < cols && line.getWidth(x + 1) === 0 && !line.hasContent(x + 1);

/** How many blank cells of one background follow each other. */
function blankRun(line, x, cols) {
  const data = line._data;
  const colour = data[x * CELL + 2] & COLOUR;
  let end = x + 1;
  while (end < cols && !(data[end * CELL] & HAS_CONTENT) && !showsThough(data, end) && (data[end * CELL + 2] & COLOUR) === colour) end++;
  return end - x;
}

/** A wide character that found no room for both its halves leaves the last column empty, in its own colours. */
function wrapsEarly(line, next, last) {
  const [a, b] = [line._data, next._data];
  return (
    !line.hasContent(last) && line.getWidth(last) === 1 && next.getWidth(0) === 2 && next.hasContent(0) !== 0 &&
    a[last * CELL + 1] === b[1] && a[last * CELL + 2] === b[2]
  );
}
